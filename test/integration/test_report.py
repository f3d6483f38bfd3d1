"""The page that `fp8c report` draws of runs."""

import json
import re
import shutil
import subprocess

import numpy as np
import pytest

from support import ROOT, compile_model, run

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    np.random.default_rng(0).integers(0, 64, 8192).astype(np.uint16).tofile(folder / "tokens.bin")
    run("fp8c", "model", "gpt2", "--layers", 1, "--d-model", 32, "--heads", 2, "--vocab", 64, "--seq", 32, "-o", folder / "model.onnx")
    for recipe, watch in (("bf16", 0), ("fp8-lm", 5)):
        program = compile_model(folder / "model.onnx", folder / f"{recipe}.fp8x", "--recipe", recipe, "--batch", 4)
        run("fp8c-run", "train", program, "--data", folder / "tokens.bin", "--steps", 20, "--watch-every", watch, "--out", folder / f"run-{recipe}")
    run("fp8c", "report", folder / "run-bf16", folder / "run-fp8-lm", "-o", folder / "report.html")
    return folder


def test_page_holds_the_runs_and_refers_to_nothing(folder):
    page = (folder / "report.html").read_text()
    assert not re.search(r"""(src|href)\s*=|@import|url\(|fetch\(""", page)
    runs = json.loads(re.search(r'<script id="data" type="application/json">(.*?)</script>', page, re.S)[1])
    assert [len(run["metrics"]) for run in runs] == [20, 20]
    assert [run["name"] for run in runs] == ["run-bf16", "run-fp8-lm"]
    assert [len(run["watch"]) for run in runs] == [0, 4]
    manifest = json.loads((folder / "fp8-lm.fp8x/manifest.json").read_text())
    assert sum(entry["bytes"] for entry in runs[1]["memory"]) == sum(v["bytes"] for v in manifest["variables"])
    assert {"class": "moment2", "format": "f16 with scale", "count": 6, "elements": 64 * 32 + 32 * 32 + 12 * 32**2} in runs[1]["precision"]


@pytest.mark.skipif(not BROWSER, reason="no Chromium")
def test_page_draws_itself(folder):
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'browser'}"]
    page = f"file://{folder / 'report.html'}"
    dom = subprocess.run([*command, "--dump-dom", page], capture_output=True, text=True, timeout=60).stdout
    assert len(re.findall(r'<path [^>]*class="curve"', dom)) == 2
    assert dom.count('class="heat"') == 4
    assert dom.count("<rect ") > 100
    assert "f8E4M3FN with scale" in dom and "NaN" not in dom and "undefined" not in dom.split("<script")[0]
    subprocess.run([*command, f"--screenshot={folder / 'report.png'}", "--window-size=1000,2400", page], capture_output=True, timeout=60)
    assert (folder / "report.png").stat().st_size > 20000


def test_what_is_no_run_is_refused(folder, tmp_path):
    output = run("fp8c", "report", tmp_path, "-o", tmp_path / "x.html", status=1)
    assert "error:" in output and not (tmp_path / "x.html").exists()


def test_damaged_lines_are_skipped_by_name(folder, tmp_path):
    """Of metrics and statistics alike: by the page, by a resume and by the plot."""
    copy = tmp_path / "run"
    shutil.copytree(folder / "run-fp8-lm", copy)
    for name, line in ("metrics.jsonl", 7), ("fp8.jsonl", 2):
        lines = (copy / name).read_text().splitlines(keepends=True)
        digit = re.search(r":\d\.\d*(\d)", lines[line - 1]).start(1)
        lines[line - 1] = lines[line - 1][:digit] + str(int(lines[line - 1][digit]) ^ 1) + lines[line - 1][digit + 1 :]
        assert json.loads(lines[line - 1])
        (copy / name).write_text("".join(lines))
    output = run("fp8c", "report", copy, "-o", tmp_path / "report.html")
    assert output.count("metrics.jsonl: line 7 is damaged and skipped\n") == output.count("fp8.jsonl: line 2 is damaged and skipped\n") == 1
    [shown] = json.loads(re.search(r'<script id="data" type="application/json">(.*?)</script>', (tmp_path / "report.html").read_text(), re.S)[1])
    assert [line["step"] for line in shown["metrics"]] == [step for step in range(1, 21) if step != 7]
    assert [line["step"] for line in shown["watch"]] == [5, 15, 20]

    output = run("fp8c-run", "train", "--resume", copy, "--steps", 21)
    assert "metrics.jsonl: line 7 is damaged and skipped: there is no line of step 7\n" in output
    assert "fp8.jsonl: line 2 is damaged and skipped\n" in output

    lines = (copy / "metrics.jsonl").read_bytes().splitlines(keepends=True)
    lines[2] = b"\xff" + lines[2]
    (copy / "metrics.jsonl").write_bytes(b"".join(lines))
    plot = subprocess.run([ROOT / "scripts/plot-loss", tmp_path / "loss.svg", copy], capture_output=True, text=True)
    assert plot.returncode == 0 and plot.stderr == f"plot-loss: {copy}/metrics.jsonl: line 3 is damaged and skipped\n"
