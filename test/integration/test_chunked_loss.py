"""Programs that never hold all logits."""

import re

import numpy as np
import pytest

from support import call, compile_model, run

BATCH, SEQ, WIDTH, VOCAB = 3, 48, 32, 512
ROWS = BATCH * SEQ


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """GPT-2 has one table for tokens and logits, Llama two."""
    folder = tmp_path_factory.mktemp("chunks")
    for family in ("gpt2", "llama"):
        sizes = f"--layers 1 --d-model {WIDTH} --heads 2 --vocab {VOCAB} --seq {SEQ}".split()
        run("fp8c", "model", family, *sizes, "--seed", 1, "-o", folder / f"{family}.onnx")
    return folder


@pytest.fixture
def batch():
    rng = np.random.default_rng(0)
    tensors = {name: rng.integers(0, VOCAB, (BATCH, SEQ)) for name in ("tokens", "targets")}
    tensors["targets"].flat[rng.choice(ROWS, 20, replace=False)] = -100  # do not count
    return tensors


@pytest.mark.parametrize("rows", [50, 7, 1])
@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_chunks_change_the_order_of_sums(models, tmp_path, batch, family, rows):
    """In f32. Chunks as large as BLAS's tiles leave all but one sum as it was, bit
    for bit: the head's weight gradient is a sum over rows. Products of fewer
    rows add up in another order. So each of N = ROWS contributions to a
    gradient has seen D = 24 roundings more or less, independent of each other,
    and adding them up takes N; relative to the contributions' size, which is
    sqrt(N) times the gradient's own where they cancel at random. Five times."""
    limit = rows * VOCAB * 4
    whole = compile_model(models / f"{family}.onnx", tmp_path / "whole.fp8x", "--recipe", "f32", "--batch", BATCH)
    chunked = compile_model(
        models / f"{family}.onnx", tmp_path / "chunked.fp8x", "--recipe", "f32", "--batch", BATCH, "--max-logits", limit
    )
    results = [call(program, "micro,eval", batch, folder=tmp_path) for program in (whole, chunked)]
    head = {"gpt2": "wte.weight.grad", "llama": "lm_head.weight.grad"}[family]
    for name, value in results[0].items():
        other = results[1][name]
        if rows == 50 and name != head:
            assert value.tobytes() == other.tobytes(), name
        elif value.dtype.kind == "f":
            size = np.sqrt(np.mean(value.astype(np.float64) ** 2))
            bound = 5 * 2.0**-24 * np.sqrt((24 + ROWS) * ROWS) * size
            assert np.abs(value - other).max() <= bound, name
    assert results[0][head].any()


def test_memory(models):
    """What is not there at once leaves room, up to what else is there at most."""
    peaks = []
    for limit in (0, 20 * VOCAB * 4):
        text = run("fp8c", "compile", models / "gpt2.onnx", "--recipe", "f32", "--batch", BATCH, "--max-logits", limit, "--emit=exec")
        peaks.append({f: int(peak) for f, peak in re.findall(r"func.func @(\w+)\(.*exec.peak = (\d+)", text)})
    for function in ("micro", "eval"):
        assert peaks[0][function] >= ROWS * VOCAB * 4
        assert peaks[1][function] <= peaks[0][function] - ROWS * VOCAB * 4 // 2


@pytest.mark.parametrize("recipe", ["bf16", "fp8-delayed"])
def test_in_narrow_formats(models, tmp_path, batch, recipe):
    """The loss does not depend on chunks there either."""
    losses = set()
    for limit in ("0", "16K"):
        program = tmp_path / f"{limit}.fp8x"
        compile_model(models / "gpt2.onnx", program, "--recipe", recipe, "--batch", BATCH, "--max-logits", limit)
        chunks = (program / "step.cpp").read_text().count("cross_entropy_fused(")
        losses.add(call(program, "init,micro", batch, folder=tmp_path)["loss"].tobytes())
    assert chunks == 9 * (2 if recipe == "fp8-delayed" else 1)  # also in @calibrate
    assert len(losses) == 1


@pytest.mark.parametrize("layouts", ["any", "tn"])
def test_an_fp8_head(models, tmp_path, batch, layouts):
    """The gradient of the logits is quantised chunk by chunk, with one scale: its amax and all that follows are the
    same bits, but for the weight gradient, which is a sum over chunks, the last one of 16 rows. In the layout of GPUs
    that product reads columns of what is transposed. Calibration needs the amax of all first: it makes them twice."""
    results = []
    for limit in (0, 40 * VOCAB * 2):
        program = tmp_path / f"{limit}.fp8x"
        options = ["--recipe", "fp8-head", "--batch", BATCH, "--max-logits", limit, "--fp8-layouts", layouts]
        compile_model(models / "gpt2.onnx", program, *options)
        source = (program / "step.cpp").read_text()
        bodies = [source.split(f"fp8c_{name}(")[1].split('extern "C"')[0] for name in ("micro", "calibrate")]
        losses = [body.count("cross_entropy_fused(") for body in bodies]
        results.append((losses, call(program, "init,calibrate,micro", batch, folder=tmp_path)))
    (once, whole), (chunks, chunked) = results
    assert once == [1, 1] and chunks == [5, 10]
    for name, value in whole.items():
        if name == "wte.weight.grad":
            np.testing.assert_allclose(chunked[name], value, rtol=0, atol=1e-5 * np.abs(value).max())
            assert value.any()
        else:
            assert chunked[name].tobytes() == value.tobytes(), name


def test_cuda_chunks_by_itself(models):
    """The default there is 1 GiB."""
    big = "--layers 1 --d-model 64 --heads 2 --vocab 50304 --seq 1024 --no-weights -o".split()
    path = models / "big.onnx"
    run("fp8c", "model", "gpt2", *big, path)
    text = run("fp8c", "compile", path, "--target", "cuda", "--batch", 16, "--emit=exec")
    assert int(re.search(r"exec.cross_entropy_fused .* : memref<(\d+)x", text)[1]) == 8192
