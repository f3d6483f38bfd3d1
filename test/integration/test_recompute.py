"""What backward computes anew is what forward computed, bit for bit."""

import json
import re

import numpy as np
import pytest

from support import run

CHOICES = ["norm", "gelu", "norm,gelu", "block"]
LAYERS, SEQ, STEPS = 2, 64, 4
SIZES = ["--layers", LAYERS, "--d-model", 32, "--heads", 2, "--vocab", 64, "--seq", SEQ]
FAMILIES = {"gpt2": SIZES, "llama": [*SIZES, "--kv-heads", 1, "--ffn", 96]}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "tokens.bin"
    np.random.default_rng(0).integers(0, 64, 4000).astype("<u2").tofile(path)
    return path


@pytest.fixture(scope="module", params=FAMILIES)
def model(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / f"{request.param}.onnx"
    run("fp8c", "model", request.param, *FAMILIES[request.param], "--seed", 1, "-o", path)
    return path


def train(model, data, folder, formats, choice):
    """The metrics, the last checkpoint and the peak of a run of a few steps, two micro-batches each."""
    name = choice.replace(",", "-")
    program, out = folder / f"{name}.fp8x", folder / name
    options = [*formats, "--batch", 2, "--host-opt", 0, "--recompute", choice]
    run("fp8c", "compile", model, *options, "-o", program)
    options = ["--steps", STEPS, "--lr", 1e-2, "--seed", 1, "--accumulate", 2]
    run("fp8c-run", "train", program, "--data", data, *options, "--out", out)
    records = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    for record in records:
        del record["ms"], record["tokens_per_s"]
    checkpoint = (out / f"checkpoints/step-{STEPS:06}/model.safetensors").read_bytes()
    micro = next(line for line in run("fp8c", "inspect", program).splitlines() if line.startswith("micro "))
    return records, checkpoint, int(micro.split()[-2])


@pytest.mark.parametrize("formats", ["f32", "bf16", "fp8-delayed", "fp8-delayed tn", "fp8-current tn"])
def test_recomputing_changes_memory_and_no_bit(model, data, tmp_path, formats):
    """Losses, norms, weights, moments, scales and counters."""
    recipe, *layouts = formats.split()
    formats = ["--recipe", recipe, *(option for name in layouts for option in ("--fp8-layouts", name))]
    records, checkpoint, most = train(model, data, tmp_path, formats, "none")
    peaks = {}
    for choice in CHOICES:
        other, weights, peaks[choice] = train(model, data, tmp_path, formats, choice)
        assert other == records, choice
        assert weights == checkpoint, choice
    assert peaks["norm"] < most and peaks["gelu"] < most
    assert peaks["block"] < peaks["norm,gelu"] < min(peaks["norm"], peaks["gelu"])


# ------------------------------------------------------------------------------
# To fit
# ------------------------------------------------------------------------------


def compile(model, *options, **others):
    return run("fp8c", "compile", model, "--recipe", "fp8-delayed", "--emit=exec", *options, **others)


def planned(ir):
    return sum(map(int, re.findall(r"exec\.(?:variables|arena|workspace)_bytes = (\d+)", ir)))


def chosen(ir):
    match = re.search(r'train.recompute = "(.*?)"', ir)
    return match[1] if match else "none"


def test_a_limit_chooses_the_least_recomputation_that_fits(model):
    order = ["none", "norm", "gelu", "norm,gelu", *(f"norm,gelu,block:{n + 1}" for n in range(LAYERS))]
    needs = {c: planned(compile(model, "--batch", 8, "--recompute", c)) for c in order}
    for choice, bytes in needs.items():
        if bytes < needs[order[-1]]:
            continue  # so small a model may need more with two blocks than with one
        ir = compile(model, "--batch", 8, "--memory-limit", bytes)
        first = next(c for c in needs if needs[c] <= bytes)
        assert chosen(ir) == first
        assert planned(ir) == needs[first]
        # What is asked for is kept.
        assert chosen(compile(model, "--batch", 8, "--memory-limit", bytes, "--recompute", choice)) == choice
    assert chosen(compile(model, "--batch", 8, "--memory-limit", "1G")) == "none"
    assert needs[order[-1]] < needs["norm,gelu"] < needs["none"]


def test_what_does_not_fit_is_told_with_what_would(model):
    all = f"norm,gelu,block:{LAYERS}"
    block = planned(compile(model, "--batch", 8, "--recompute", all))
    inGiB = lambda bytes: f"{bytes / 2**30:.2f} GiB"
    output = compile(model, "--batch", 8, "--memory-limit", block, "--recompute", "none", status=1)
    assert "with --recompute none, but --memory-limit is " + inGiB(block) in output
    assert re.search(rf"--recompute norm,gelu,block:[12] needs {inGiB(block)}", output)

    four = planned(compile(model, "--batch", 4, "--recompute", all))
    output = compile(model, "--batch", 8, "--memory-limit", four, status=1)
    assert f"needs {inGiB(block)} with --recompute {all}" in output
    assert f"--batch 4 needs {inGiB(four)} with --recompute {all}" in output

    output = compile(model, "--batch", 8, "--memory-limit", "1K", status=1)
    assert "no smaller batch fits either" in output

    output = compile(model, "--recompute", "block:x", status=1)
    assert "block:x not in {none,norm,gelu,quantize,block,block:<number of layers>}" in output


def test_the_workspace_of_a_gpu_counts(model):
    cuda = ["--target", "cuda", "--recompute", "norm,gelu"]
    ir = compile(model, "--batch", 8, *cuda)
    assert int(re.search(r"exec.workspace_bytes = (\d+)", ir)[1]) >= 32 << 20
    bytes = planned(ir)
    compile(model, "--batch", 8, *cuda, "--memory-limit", bytes)
    output = compile(model, "--batch", 8, *cuda, "--memory-limit", bytes - 1, status=1)
    assert f"needs {bytes / 2**30:.2f} GiB with --recompute norm,gelu" in output
