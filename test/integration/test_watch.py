"""FP8 statistics that a training writes at an interval."""

import json

import numpy as np
import pytest

from support import compile_model, read_safetensors, run

STEPS = 12


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("watch")
    (np.random.default_rng(0).integers(0, 64, 8192)).astype(np.uint16).tofile(folder / "tokens.bin")
    run("fp8c", "model", "gpt2", "--layers", 2, "--d-model", 32, "--heads", 2, "--vocab", 64, "--seq", 32, "-o", folder / "model.onnx")
    compile_model(folder / "model.onnx", folder / "lm.fp8x", "--recipe", "fp8-lm", "--batch", 4, "--micro-batches", 1)
    return folder


def train(folder, out, *options, **keywords):
    command = ["train", folder / "lm.fp8x", "--data", folder / "tokens.bin", "--steps", STEPS, *options, "--out", folder / out]
    return run("fp8c-run", *command, **keywords)


def lines(folder, out):
    return [json.loads(line) for line in (folder / out / "fp8.jsonl").read_text().splitlines()]


def test_lines_say_what_is_stored(workshop):
    train(workshop, "all", "--watch-every", 4)
    records = lines(workshop, "all")
    assert [record["step"] for record in records] == [4, 8, 12]
    tensors = read_safetensors(workshop / f"all/checkpoints/step-{STEPS:06}/model.safetensors")
    watched = records[-1]["tensors"]
    assert {"wte.weight", "h.0/mlp/fc.weight.m", "h.1/attn/qkv.weight.e4m3", "h.0/mlp/fc.dy", "h.0/mlp/fc.weight.grad"} <= watched.keys()
    for name in ("wte.weight", "h.0/mlp/fc.weight.m", "h.1/mlp/proj.weight.v"):
        assert watched[name]["scale"] == tensors[f"{name}.scale"][0]
        assert watched[name]["zero"] == pytest.approx(np.mean(tensors[name].astype(np.float32) == 0))
    state = tensors["h.0/mlp/fc.dy.scale"]
    assert watched["h.0/mlp/fc.dy"] == {"scale": state[0], "amax": pytest.approx(state[9])}


def test_watching_changes_no_bit(workshop):
    train(workshop, "watched", "--watch-every", 1, "--watch", r"h\.0/.*weight$")
    train(workshop, "plain")
    weights = [(workshop / out / f"checkpoints/step-{STEPS:06}/model.safetensors").read_bytes() for out in ("watched", "plain")]
    assert weights[0] == weights[1]
    assert not (workshop / "plain/fp8.jsonl").exists()
    assert set(lines(workshop, "watched")[0]["tensors"]) == {f"h.0/{name}.weight" for name in ("attn/qkv", "attn/proj", "mlp/fc", "mlp/proj")}


def test_warnings_pass_a_threshold_once(workshop):
    output = train(workshop, "warned", "--watch-every", 2, "--watch", "weight.m$", "--watch-saturation", 0, "--watch-underflow", 0)
    warnings = [line for line in output.splitlines() if line.startswith("warning: step 2: ")]
    assert any("are 0 (more than 0 %)" in line for line in warnings)
    assert len({line.split(": ", 2)[2] for line in output.splitlines() if line.startswith("warning")}) == output.count("warning: ")


@pytest.mark.parametrize("pattern, message", [("h.9", "matches no tensor\nhint: one that can be watched is wte.weight"), ("[", "is no regular expression")])
def test_bad_patterns_are_refused_before_anything_is_written(workshop, pattern, message):
    output = train(workshop, "bad", "--watch-every", 1, "--watch", pattern, status=1)
    assert message in output and not (workshop / "bad").exists()
