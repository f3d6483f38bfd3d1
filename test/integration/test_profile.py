"""Formats by measurement: statistics of a short training, and the recipe made from them."""

import json

import ml_dtypes
import numpy as np
import pytest

from support import compile_model, run
from test_training import generate_text

SIZES = ["--d-model", 32, "--heads", 2, "--vocab", 256, "--seq", 32]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model, its text, and statistics of its first 60 steps."""
    folder = tmp_path_factory.mktemp("profile")
    (folder / "text.txt").write_text(generate_text(2000))
    run("fp8c", "data", folder / "text.txt", "--tokenizer", "bytes", "-o", folder / "text")
    run("fp8c", "model", "gpt2", "--layers", 2, *SIZES, "--seed", 1, "-o", folder / "model.onnx")
    program = compile_model(folder / "model.onnx", folder / "bf16.fp8x", "--recipe", "bf16", "--batch", 4, "--host-opt", 1)
    run("fp8c-run", "profile", program, "--data", folder / "text.train.bin", "--steps", 60, "--lr", 1e-3, "-o", folder / "stats.json")
    return folder


def compile_auto(folder, name, *options, status=0):
    command = ["--recipe", "auto", "--stats", folder / "stats.json", "--batch", 4, "--micro-batches", 1, "--host-opt", 0, *options]
    output = run("fp8c", "compile", folder / "model.onnx", *command, "-o", folder / f"{name}.fp8x", status=status)
    return output, folder / f"{name}.recipe.yaml"


def test_statistics_cover_every_state(folder):
    stats = json.loads((folder / "stats.json").read_text())
    by_role = {}
    for variable in stats["variables"]:
        by_role.setdefault(variable["role"], []).append(variable)
    assert set(by_role) == {"parameter", "gradient", "moment1", "moment2"}
    assert len({len(variables) for variables in by_role.values()}) == 1
    for variable in by_role["moment1"]:
        assert 0 < variable["amax"] and 25 < variable["formats"]["e4m3"]["snr_db"] < 40
    for variable in by_role["moment2"]:
        assert variable["formats"]["e4m3-sqrt"]["underflow"] <= variable["formats"]["e4m3"]["underflow"]
    for variable in by_role["parameter"]:
        formats = variable["formats"]
        assert formats["f16-scaled"]["lost_changes"] <= formats["bf16"]["lost_changes"] <= formats["e4m3"]["lost_changes"]
        assert all(entry["overflow"] == 0 for entry in formats.values())


def test_signal_to_noise_is_numpys(folder):
    """Of initial gains, which are 1: exact everywhere. Of a uniform distribution over binades, E4M3's noise."""
    stats = json.loads((folder / "stats.json").read_text())
    values = np.exp2(np.random.default_rng(0).uniform(-4, 4, 100000)).astype(np.float32)
    rounded = values.astype(ml_dtypes.float8_e4m3fn).astype(np.float32)
    typical = 10 * np.log10(np.square(values).sum() / np.square(values - rounded).sum())
    measured = [v["formats"]["e4m3"]["snr_db"] for v in stats["variables"] if v["role"] == "moment1" and len(v["shape"]) == 2]
    assert np.abs(np.array(measured) - typical).max() < 2


def test_the_papers_table_is_rediscovered(folder):
    """First moments may be E4M3, second moments not as they are, parameters not at all (arXiv 2310.18313, section 3)."""
    output, recipe = compile_auto(folder, "auto")
    assert f"the chosen recipe is in {recipe}" in output
    text = recipe.read_text()
    section = lambda criterion: text.split(criterion)[1].split("- match")[0]
    assert "e4m3: " in section("signal to noise of 20 dB") and "- chosen" in section("signal to noise of 20 dB").splitlines()[1]
    assert "- rejected" in section("underflow of 0.1 %").splitlines()[1]
    assert "- rejected" in section("10 % of a step's changes lost").splitlines()[1]
    # It is an ordinary recipe.
    compile_model(folder / "model.onnx", folder / "again.fp8x", "--recipe", recipe, "--batch", 4, "--micro-batches", 1)
    inspected = run("fp8c", "inspect", folder / "again.fp8x")
    assert "state bytes per parameter: 5.28" in inspected


def test_budget_is_kept(folder):
    _, recipe = compile_auto(folder, "four", "--budget-bytes-per-param", 4)
    assert "misses it, but the budget asks for it" in recipe.read_text()
    assert "state bytes per parameter: 4.31" in run("fp8c", "inspect", folder / "four.fp8x")
    output, _ = compile_auto(folder, "three", "--budget-bytes-per-param", 3, status=1)
    assert "no choice of formats takes 3.0 bytes per parameter: the least is 4" in output


def test_statistics_of_another_model_are_refused(folder, tmp_path):
    run("fp8c", "model", "gpt2", "--layers", 3, *SIZES, "-o", tmp_path / "deep.onnx")
    options = ["--recipe", "auto", "--stats", folder / "stats.json", "--batch", 4, "-o", tmp_path / "x.fp8x"]
    output = run("fp8c", "compile", tmp_path / "deep.onnx", *options, status=1)
    assert "holds statistics of another model: it has no parameter 'h.2/ln_1.weight'; the nearest is 'h." in output
    run("fp8c", "model", "gpt2", "--layers", 2, *SIZES[:1], 64, *SIZES[2:], "-o", tmp_path / "wide.onnx")
    output = run("fp8c", "compile", tmp_path / "wide.onnx", *options, status=1)
    assert "holds statistics of another model: its 'wte.weight' has shape [256, 32]" in output


def test_narrow_states_are_not_profiled(folder):
    program = compile_model(folder / "model.onnx", folder / "lm.fp8x", "--recipe", "fp8-lm", "--batch", 4)
    output = run("fp8c-run", "profile", program, "--data", folder / "text.train.bin", status=1)
    assert 'keeps "wte.weight" in f16' in output and "--recipe bf16 or f32" in output
