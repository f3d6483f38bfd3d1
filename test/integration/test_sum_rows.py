"""Gradients of biases and norms, summed by the kernels that make what they sum."""

import re

import numpy as np
import pytest

from support import call, compile_model, run

BATCH, SEQ, VOCAB = 3, 48, 64
ROWS = BATCH * SEQ  # multiple of 16, but of no block


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sums")
    sizes = f"--layers 2 --d-model 32 --heads 2 --vocab {VOCAB} --seq {SEQ}".split()
    for family in ("gpt2", "llama"):
        run("fp8c", "model", family, *sizes, "--seed", 1, "-o", folder / f"{family}.onnx")
    return folder


@pytest.mark.parametrize("recipe", ["f32", "bf16", "fp8-current"])
@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_only_the_order_of_the_sums_changes(models, tmp_path, family, recipe):
    """Of N = ROWS terms each, in f32, once more rounded per block: an error of u
    per addition, relative to the terms' size, which is sqrt(N) times the sum's
    where they cancel at random. Over two micro-batches. Five times."""
    rng = np.random.default_rng(0)
    batch = {name: rng.integers(0, VOCAB, (BATCH, SEQ)) for name in ("tokens", "targets")}
    results, sources = [], []
    for rows in (0, 32):
        program = tmp_path / f"{rows}.fp8x"
        options = ("--recipe", recipe, "--batch", BATCH, "--fp8-layouts", "tn", "--sum-rows", rows)
        compile_model(models / f"{family}.onnx", program, *options)
        results.append(call(program, "micro,micro", batch, folder=tmp_path))
        sources.append((program / "step.cpp").read_text())
    changed = set()
    for name, value in results[0].items():
        other = results[1][name]
        if value.tobytes() == other.tobytes():
            continue
        changed.add(name)
        size = np.sqrt(np.mean(value.astype(np.float64) ** 2))
        assert np.abs(value - other).max() <= 5 * 2.0**-24 * np.sqrt(2 * ROWS) * np.sqrt(2 * ROWS) * size, name
    assert changed
    for name in changed:
        assert re.search(r"(bias|ln_\w+\.weight|norm\w*\.weight)\.grad$", name), name
    assert "rows_summed<" in sources[1] and "rows_summed<" not in sources[0]
    if recipe == "fp8-current":
        # Every gradient is quantised, and no kernel reads one for such a sum alone.
        sums = re.findall(r"  columns\(\w+\{.*\}, (\d+), \d+\);", sources[1])
        assert sums and all(int(rows) <= -(-ROWS // 32) for rows in sums)
