"""Names of ops are for recipes and reports. With names swapped a program computes the same
numbers, whatever stage they are swapped at, as long as no recipe tells the names apart."""

import re

import numpy as np
import pytest

from support import run

SIZES = ["--layers", 2, "--d-model", 64, "--heads", 2, "--vocab", 128, "--seq", 32]
# Products, an activation and a norm of two layers.
PAIRS = [("h.0/mlp/fc", "h.1/attn/qkv"), ("h.0/attn/proj", "h.1/mlp/proj"), ("h.0/ln_1", "h.1/mlp/gelu"), ("h.0/mlp/fc.weight", "wte.weight"), ("h.0/attn/qkv.weight", "h.1/mlp/proj.weight")]


def swapped(text, a, b):
    """Both names exchanged wherever an op carries them."""
    swap = {a: b, b: a}
    return re.sub(r'(?<=fp8\.name = ")([^"]*)(?=")', lambda match: swap.get(match[1], match[1]), text)


@pytest.fixture(scope="module")
def tokens(tmp_path_factory):
    path = tmp_path_factory.mktemp("swapped") / "tokens.bin"
    np.random.default_rng(0).integers(0, 128, 4096).astype(np.uint16).tofile(path)
    return path


def losses(folder, name, text, recipe, stage, tokens):
    (folder / f"{name}.mlir").write_text(text)
    program = folder / f"{name}.fp8x"
    run("fp8c-test-opt", folder / f"{name}.mlir", f"--test-compile=output={program} recipe={recipe} from={stage}", "-o", folder / f"{name}.exec.mlir")
    out = folder / f"run-{name}"
    run("fp8c-run", "train", program, "--data", tokens, "--steps", 4, "--lr", "1e-2", "--warmup", 1, "--seed", 3, "--out", out)
    return [line.split('"loss"')[1].split(",")[0] for line in (out / "metrics.jsonl").read_text().splitlines() if '"loss"' in line]


@pytest.mark.parametrize("stage", ["train", "grad", "fp8", "fusion"])
@pytest.mark.parametrize("recipe", ["bf16", "fp8-lm"])
def test_numbers_stay(tmp_path, tokens, recipe, stage):
    run("fp8c", "model", "gpt2", *SIZES, "-o", tmp_path / "m.onnx")
    text = run("fp8c", "compile", tmp_path / "m.onnx", "--batch", 4, "--recipe", recipe, f"--emit={stage}")
    text = text[text.index("module") :] if "module" in text else text
    other = text
    for a, b in PAIRS:
        other = swapped(other, a, b)
    assert sum(x != y for x, y in zip(text.splitlines(), other.splitlines())) > 8
    expected = losses(tmp_path, "plain", text, recipe, stage, tokens)
    assert len(expected) == 4 and losses(tmp_path, "swapped", other, recipe, stage, tokens) == expected
