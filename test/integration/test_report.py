"""The page that `fp8c report` draws of runs."""

import json
import re
import shutil
import subprocess

import numpy as np
import pytest

from support import compile_model, run

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
