"""FP8 statistics that a training writes at an interval."""

import json

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from support import call, compile_model, read_safetensors, run

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
    saturated, nonfinite = state[2:4].view(np.uint32)
    values = 4 * 32 * 128
    assert watched["h.0/mlp/fc.dy"] == {"scale": state[0], "amax": state[9], "saturated": saturated / values, "nonfinite": nonfinite}
    assert state[1] == state[9]


def test_saturation_of_a_step_is_counted(workshop):
    """A learning rate that is too large makes gradients grow faster than a window of amaxes follows."""
    output = train(workshop, "wild", "--watch-every", 1, "--watch", r"\.(x|dy)$", "--lr", 0.1, "--warmup", 0, "--clip", 0)
    shares = {(record["step"], name): entry["saturated"] for record in lines(workshop, "wild") for name, entry in record["tensors"].items()}
    assert max(shares.values()) > 1e-3
    worst = max(shares, key=shares.get)
    assert f"% of {worst[1]} are saturated (more than 0.1 %)" in output


def test_underflow_of_operands_is_counted_by_observing_them(workshop):
    """One window of data: the next micro-batch is known, and so is what it quantises."""
    tokens = np.random.default_rng(1).integers(0, 64, 33).astype(np.uint16)
    tokens.tofile(workshop / "window.bin")
    command = ["--recipe", "fp8-delayed", "--batch", 1, "--expose-operands"]
    program = compile_model(workshop / "model.onnx", workshop / "observed.fp8x", *command)
    train_window = lambda out, *options: run(
        "fp8c-run", "train", program, "--data", workshop / "window.bin", "--steps", STEPS, *options, "--out", workshop / out
    )
    output = train_window("observed", "--watch-every", STEPS, "--watch-underflow", 1e-4)
    train_window("unobserved")
    states = [workshop / out / f"checkpoints/step-{STEPS:06}/model.safetensors" for out in ("observed", "unobserved")]
    assert states[0].read_bytes() == states[1].read_bytes()

    states = read_safetensors(states[0])
    batch = {"tokens": tokens[None, :-1].astype(np.int64), "targets": tokens[None, 1:].astype(np.int64)}
    values = call(program, "observe", {**states, **batch}, folder=workshop)
    sites = {name: entry for name, entry in lines(workshop, "observed")[-1]["tensors"].items() if "underflow" in entry}
    assert {"h.0/mlp/fc.x", "h.1/attn/qkv.dy"} <= sites.keys() and len(sites) == 16
    for name, entry in sites.items():
        value = values[name]
        dtype = ml_dtypes.float8_e5m2 if name.endswith(".dy") else ml_dtypes.float8_e4m3fn
        zero = (value * np.float32(entry["scale"])).astype(dtype).astype(np.float32) == 0
        assert entry["underflow"] == pytest.approx((zero & (value != 0)).sum() / (value != 0).sum())
        assert (entry["underflow"] > 1e-4) == (f"% of {name} are too small for its scale" in output)


# What a recipe quantises: scaling, and elements of an operand of two dimensions that share a scale, by product.
WATCHED = {
    "fp8-delayed": ("delayed", {"fwd": None, "dgrad": None, "wgrad": None}),
    "fp8-lm": ("delayed", {"fwd": None, "dgrad": None, "wgrad": None}),
    "fp8-current": ("current", {"fwd": None, "dgrad": None, "wgrad": None}),
    "fp8-rowwise": ("current", {"fwd": (1, 0), "dgrad": (1, 0), "wgrad": (0, 1)}),
    "fp8-block": ("current", {"fwd": (1, 128), "dgrad": (1, 128), "wgrad": (128, 1)}),
}


def underflow(value, dtype, tile):
    """Share of the elements that become 0 when each tile has the power of two that its amax calls for."""
    matrix = value.reshape(-1, value.shape[-1])
    rows, cols = (size or extent for size, extent in zip(tile or (0, 0), matrix.shape))
    zeros = 0
    for i in range(0, matrix.shape[0], rows):
        for j in range(0, matrix.shape[1], cols):
            part = matrix[i : i + rows, j : j + cols]
            scale = 2.0 ** np.floor(np.log2(float(ml_dtypes.finfo(dtype).max) / max(np.abs(part).max(), 1e-30)))
            zeros += (((part * np.float32(scale)).astype(dtype).astype(np.float32) == 0) & (part != 0)).sum()
    return zeros / (matrix != 0).sum()


@pytest.mark.parametrize("seq", [128, 13])  # products of 13 tokens are padded
@pytest.mark.parametrize("recipe", WATCHED)
def test_every_scaling_is_watched(tmp_path, recipe, seq):
    """An outlier of 1e6 in one feature: features that share its scale underflow."""
    scaling, tiles = WATCHED[recipe]
    tokens = np.random.default_rng(1).integers(0, 64, seq + 1).astype(np.uint16)
    tokens.tofile(tmp_path / "window.bin")
    run("fp8c", "model", "gpt2", "--layers", 1, "--d-model", 128, "--heads", 2, "--vocab", 64, "--seq", seq, "-o", tmp_path / "model.onnx")
    model = onnx.load(tmp_path / "model.onnx")
    gain = next(tensor for tensor in model.graph.initializer if tensor.name == "h.0/ln_2.weight")
    gain.CopyFrom(numpy_helper.from_array(np.where(np.arange(128) == 5, 1e6, 1).astype(np.float32), gain.name))
    onnx.save(model, tmp_path / "model.onnx")
    program = compile_model(tmp_path / "model.onnx", tmp_path / "x.fp8x", "--recipe", recipe, "--batch", 1, "--expose-operands")
    options = ["--data", tmp_path / "window.bin", "--steps", 2, "--watch-every", 2, "--watch-underflow", 0.2]
    output = run("fp8c-run", "train", program, *options, "--out", tmp_path / "run")
    states = read_safetensors(tmp_path / "run/checkpoints/step-000002/model.safetensors")
    batch = {"tokens": tokens[None, :-1].astype(np.int64), "targets": tokens[None, 1:].astype(np.int64)}
    values = call(program, "observe", {**states, **batch}, folder=tmp_path)
    watched = lines(tmp_path, "run")[0]["tensors"]

    e5m2 = recipe in ("fp8-delayed", "fp8-lm", "fp8-current")
    for op in ("attn/qkv", "attn/proj", "mlp/fc", "mlp/proj"):
        for operand, gemms in (("x", ("fwd", "wgrad")), ("dy", ("dgrad", "wgrad"))):
            name = f"h.0/{op}.{operand}"
            dtype = ml_dtypes.float8_e5m2 if e5m2 and operand == "dy" else ml_dtypes.float8_e4m3fn
            value = values[name]
            if scaling == "delayed":
                scaled = (value * np.float32(watched[name]["scale"])).astype(dtype).astype(np.float32)
                assert watched[name]["underflow"] == pytest.approx(((scaled == 0) & (value != 0)).sum() / (value != 0).sum())
                continue
            for gemm in gemms:
                entry = watched[name if tiles[gemm] == tiles[gemms[0]] else f"{name}.{gemm}"]
                assert entry["underflow"] == pytest.approx(underflow(value, dtype, tiles[gemm]))
                assert entry["amax"] == np.abs(value).max() > 0 and entry["saturated"] == entry["nonfinite"] == 0
    # Scales that the outlier shares with other features cost these; scales along columns do not.
    assert watched["h.0/mlp/fc.x"]["underflow"] > 0.2
    assert "% of h.0/mlp/fc.x are too small for its scale" in output
    if recipe in ("fp8-rowwise", "fp8-block"):
        assert watched["h.0/mlp/fc.x.wgrad"]["underflow"] < 0.01
        assert {"zero", "saturated"} <= watched["h.0/mlp/fc.weight.e4m3"].keys()


def test_what_cannot_be_watched_is_said_once(tmp_path):
    np.random.default_rng(0).integers(0, 64, 4096).astype(np.uint16).tofile(tmp_path / "tokens.bin")
    run("fp8c", "model", "gpt2", "--layers", 1, "--d-model", 32, "--heads", 2, "--vocab", 64, "--seq", 32, "-o", tmp_path / "model.onnx")
    program = compile_model(tmp_path / "model.onnx", tmp_path / "x.fp8x", "--recipe", "fp8-current", "--batch", 4)
    output = run("fp8c-run", "train", program, "--data", tmp_path / "tokens.bin", "--steps", 3, "--watch-every", 1, "--out", tmp_path / "run")
    warning = "of the operands of products 16 have scales of their own amaxes, which are not kept: to watch them, compile with --expose-operands"
    assert output.count(warning) == 1
    assert "h.0/mlp/fc.weight.e4m3" in lines(tmp_path, "run")[0]["tensors"]


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
