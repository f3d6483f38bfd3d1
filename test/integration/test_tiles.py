"""Scales finer than one per tensor: the recipes fp8-rowwise and fp8-block, end to end.

Sizes are multiples of 128, so that every product of a layer fits blocks; 4 x 64 tokens
make blocks of two sequences each.
"""

import re

import ml_dtypes
import numpy as np
import pytest

from support import call, compile_model, read_safetensors, run
from test_training import contractions, generate_text, losses

LAYERS, WIDTH, SEQ, BATCH, STEPS = 2, 128, 64, 4, 30
SIZES = ["--layers", LAYERS, "--d-model", WIDTH, "--heads", 4, "--vocab", 256, "--seq", SEQ]
FAMILIES = {"gpt2": SIZES, "llama": [*SIZES, "--kv-heads", 4, "--ffn", 384]}
LINEARS = {"gpt2": 4, "llama": 4}  # matrix products of one layer
RECIPES = ["fp8-rowwise", "fp8-block"]
E4M3 = np.dtype(ml_dtypes.float8_e4m3fn)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiles")
    for family, sizes in FAMILIES.items():
        run("fp8c", "model", family, *sizes, "--seed", 1, "-o", folder / f"{family}.onnx")
    (folder / "text.txt").write_text(generate_text(4000))
    run("fp8c", "data", folder / "text.txt", "--tokenizer", "bytes", "-o", folder / "text")
    return folder


def quantise(x, tile):
    """Codes and inverse scales [rows / tile rows, cols / tile cols] of a matrix, from the definition."""
    (rows, cols), (height, width) = x.shape, tile
    down, across = -(-rows // height), -(-cols // width)
    padded = np.zeros((down * height, across * width), np.float32)
    padded[:rows, :cols] = x
    tiles = padded.reshape(down, height, across, width)
    amax = np.abs(tiles).max(axis=(1, 3))
    scale = np.exp2(np.floor(np.log2(np.float32(448) / np.where(amax > 0, amax, 448)))).astype(np.float32)
    codes = (tiles * scale[:, None, :, None]).astype(E4M3).reshape(padded.shape)[:rows, :cols]
    return codes, 1 / scale


def stored(scale_inv, tile):
    """Where cuBLASLt wants them: fastest along the dimension in which tiles are one wide; rows of
    scales of square tiles are padded to multiples of four."""
    if tile[0] > 1 and tile[1] > 1:
        return np.pad(scale_inv, ((0, 0), (0, -scale_inv.shape[1] % 4)), constant_values=1)
    return scale_inv.T if tile[0] == 1 else scale_inv


@pytest.mark.parametrize("layouts", ["any", "tn"])
@pytest.mark.parametrize("recipe", RECIPES)
def test_weights_are_quantised_bit_for_bit(models, tmp_path, recipe, layouts):
    program = compile_model(models / "gpt2.onnx", tmp_path / "program.fp8x", "--recipe", recipe, "--batch", BATCH, "--fp8-layouts", layouts)
    variables = call(program, "init", {}, folder=tmp_path)
    copies = [name for name in variables if re.fullmatch(r"h\..*\.e4m3t?(\.2)?", name)]
    for name in copies:
        weight = variables[re.sub(r"\.e4m3.*", "", name)]
        codes = variables[name]
        # Forward products sum over the first dimension, those of gradients over the second.
        forward = name.endswith("t") or (layouts == "any" and name.endswith(".e4m3"))
        if name.endswith("t"):
            weight = weight.T
        along = 1 if name.endswith("t") or not forward else 0
        tile = (128, 128) if recipe == "fp8-block" else tuple(weight.shape[i] if i == along else 1 for i in (0, 1))
        expected, scale_inv = quantise(weight, tile)
        assert codes.tobytes() == expected.tobytes(), name
        assert variables[f"{name}.scale_inv"].tobytes() == stored(scale_inv, tile).tobytes(), name
    # One serves both directions if its tiles are square and nothing needs it transposed.
    per_weight = 1 if recipe == "fp8-block" and layouts == "any" else 2
    assert len(copies) == LAYERS * LINEARS["gpt2"] * per_weight


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("family", FAMILIES)
def test_products_of_the_blocks_have_the_recipes_granularity(models, tmp_path, family, recipe):
    program = compile_model(models / f"{family}.onnx", tmp_path / "program.fp8x", "--recipe", recipe, "--batch", BATCH)
    products = contractions(program)
    for phase in ("fwd", "dgrad", "wgrad"):
        formats = [(a, b) for name, p, a, b in products if name.startswith("h.") and p == phase]
        assert len(formats) == LINEARS[family] * LAYERS
        if recipe == "fp8-rowwise":
            expected = ("f8E4M3FN/row", "f8E4M3FN/row")
        else:
            expected = ("f8E4M3FN/1x128", "f8E4M3FN/1x128" if phase == "wgrad" else "f8E4M3FN/128x128")
        assert set(formats) == {expected}
    assert all((a, b) == ("bf16", "bf16") for name, _, a, b in products if name.startswith("lm_head"))


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("family", FAMILIES)
def test_the_layout_changes_no_bit(models, tmp_path, family, recipe):
    """Transposed copies have the values and the scales of what they are copies of."""
    rng = np.random.default_rng(0)
    batch = {name: rng.integers(0, 256, (BATCH, SEQ)) for name in ("tokens", "targets")}
    results = []
    for layouts in ("any", "tn"):
        options = ("--recipe", recipe, "--batch", BATCH, "--fp8-layouts", layouts, "--host-opt", 1)
        program = compile_model(models / f"{family}.onnx", tmp_path / f"{layouts}.fp8x", *options)
        results.append(call(program, "init,micro,micro,update,micro,eval", batch, folder=tmp_path))
    any_layout, tn = results
    shared = [name for name in any_layout if ".e4m3" not in name]
    assert shared
    for name in shared:
        assert any_layout[name].tobytes() == tn[name].tobytes(), name


@pytest.mark.parametrize("family", FAMILIES)
def test_training_follows_bf16(models, tmp_path, family):
    """The loss of the last steps is within 1 % of bf16's; and a run resumed from a checkpoint,
    in which quantised weights are not, is the uninterrupted one."""
    curves = {}
    for recipe in ("bf16", *RECIPES):
        options = ("--recipe", recipe, "--batch", BATCH, "--host-opt", 1)
        program = compile_model(models / f"{family}.onnx", tmp_path / f"{recipe}.fp8x", *options)
        command = ["train", program, "--data", models / "text.train.bin", "--steps", STEPS, "--lr", 2e-3, "--warmup", 5, "--seed", 1]
        folder = tmp_path / recipe
        run("fp8c-run", *command, "--checkpoint-every", STEPS // 2, "--keep", 0, "--out", folder)
        curves[recipe] = losses(folder)
    assert curves["bf16"][-1] < 0.6 * curves["bf16"][0]
    for recipe in RECIPES:
        assert abs(curves[recipe][-5:].mean() / curves["bf16"][-5:].mean() - 1) < 0.01
        assert not np.array_equal(curves[recipe], curves["bf16"])
        folder = tmp_path / recipe
        tensors = read_safetensors(folder / f"checkpoints/step-{STEPS:06}/model.safetensors")
        assert not [name for name in tensors if ".e4m3" in name]
        for file in (folder / f"checkpoints/step-{STEPS:06}").iterdir():
            file.unlink()
        (folder / f"checkpoints/step-{STEPS:06}").rmdir()
        run("fp8c-run", "train", "--resume", folder)
        assert np.array_equal(losses(folder), curves[recipe])


def test_watch_counts_codes_of_tiles(models, tmp_path):
    program = compile_model(models / "gpt2.onnx", tmp_path / "program.fp8x", "--recipe", "fp8-block", "--batch", BATCH)
    run(
        "fp8c-run", "train", program, "--data", models / "text.train.bin", "--steps", 1, "--lr", 1e-3, "--watch-every", 1,
        "--watch", "h.0/mlp/fc", "--out", tmp_path / "run",
    )  # fmt: skip
    line = (tmp_path / "run/fp8.jsonl").read_text()
    assert '"h.0/mlp/fc.weight.e4m3"' in line and '"zero"' in line and '"scale"' not in line
