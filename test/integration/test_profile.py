"""Formats by measurement: statistics of a short training, and the recipe made from them."""

import json
import re

import ml_dtypes
import numpy as np
import pytest

from recipe_oracle import Stored, state_formats
from support import call, compile_model, read_safetensors, run
from test_training import generate_text

SIZES = ["--d-model", 32, "--heads", 2, "--vocab", 256, "--seq", 32]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model, its text, and statistics of its first 60 steps: of states and operands."""
    folder = tmp_path_factory.mktemp("profile")
    (folder / "text.txt").write_text(generate_text(2000))
    run("fp8c", "data", folder / "text.txt", "--tokenizer", "bytes", "-o", folder / "text")
    run("fp8c", "model", "gpt2", "--layers", 2, *SIZES, "--seed", 1, "-o", folder / "model.onnx")
    program = compile_model(folder / "model.onnx", folder / "bf16.fp8x", "--recipe", "bf16", "--batch", 4, "--expose-operands", "--host-opt", 1)
    run("fp8c-run", "profile", program, "--data", folder / "text.train.bin", "--steps", 60, "--lr", 1e-3, "-o", folder / "stats.json")
    return folder


def test_where_nothing_can_be_written(folder, tmp_path):
    """An error before the training, which would take an hour."""
    data = ["--data", folder / "text.train.bin", "--steps", 10**6]
    output = run("fp8c-run", "profile", folder / "bf16.fp8x", *data, "-o", tmp_path / "none" / "stats.json", status=1, timeout=60)
    assert "none/stats.json" in output and "No such file" in output


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
        assert 0 < variable["amax"] and 25 < variable["formats"]["e4m3"]["tensor"]["snr_db"] < 40
    for variable in by_role["moment2"]:
        assert variable["formats"]["e4m3-sqrt"]["tensor"]["underflow"] <= variable["formats"]["e4m3"]["tensor"]["underflow"]
    for variable in by_role["parameter"]:
        formats = {name: entry["tensor"] for name, entry in variable["formats"].items()}
        assert formats["f16-scaled"]["lost_changes"] <= formats["bf16"]["lost_changes"] <= formats["e4m3"]["lost_changes"]
        assert all(entry["overflow"] == 0 for entry in formats.values())


def test_signal_to_noise_is_numpys(folder):
    """Of a uniform distribution over binades, E4M3's noise: of first moments, which are rounded stochastically."""
    stats = json.loads((folder / "stats.json").read_text())
    values = np.exp2(np.random.default_rng(0).uniform(-4, 4, 100000)).astype(np.float32)
    rounded = values.astype(ml_dtypes.float8_e4m3fn).astype(np.float32)
    typical = 10 * np.log10(np.square(values).sum() / np.square(values - rounded).sum())
    by_chance = Stored(values[None], "e4m3", stochastic=True).statistics()["snr_db"]
    assert typical - by_chance == pytest.approx(3, abs=0.2), "twice the noise"
    typical = by_chance
    measured = [v["formats"]["e4m3"]["tensor"]["snr_db"] for v in stats["variables"] if v["role"] == "moment1" and len(v["shape"]) == 2]
    assert np.abs(np.array(measured) - typical).max() < 2


# ------------------------------------------------------------------------------
# Operands of contractions
# ------------------------------------------------------------------------------

DTYPES = {"bf16": ml_dtypes.bfloat16, "f16": np.float16, "e4m3": ml_dtypes.float8_e4m3fn, "e5m2": ml_dtypes.float8_e5m2}
TILES = {"tensor": (0, 0), "row": (1, 0), "column": (0, 1), "1x128": (1, 128), "128x1": (128, 1), "128x128": (128, 128)}


def rounded(values, dtype, granularity):
    """The matrix in a format, with a power of two as scale for each tile of FP8."""
    rows, cols = [size or extent for size, extent in zip(TILES[granularity], values.shape)]
    result = np.empty_like(values)
    for i in range(0, values.shape[0], rows):
        for j in range(0, values.shape[1], cols):
            tile, scale = values[i : i + rows, j : j + cols], np.float32(1)
            amax = np.abs(tile).max()
            if "float8" in np.dtype(dtype).name and amax > 0:
                scale = np.float32(2.0 ** np.floor(np.log2(np.float64(ml_dtypes.finfo(dtype).max) / amax)))
            result[i : i + rows, j : j + cols] = (tile * scale).astype(dtype).astype(np.float32) / scale
    return result


def test_operands_are_measured_as_numpy_does(folder, tmp_path):
    """One window of data: the next batch is known. Blocks of 128 do not divide the sizes."""
    tokens = np.random.default_rng(1).integers(0, 256, 33).astype(np.uint16)
    tokens.tofile(tmp_path / "tokens.bin")
    sizes = ["--d-model", 144, "--heads", 2, "--vocab", 256, "--seq", 32]
    run("fp8c", "model", "gpt2", "--layers", 1, *sizes, "-o", tmp_path / "model.onnx")
    program = compile_model(tmp_path / "model.onnx", tmp_path / "bf16.fp8x", "--recipe", "bf16", "--batch", 1, "--expose-operands")
    training = ["--data", tmp_path / "tokens.bin", "--steps", 6, "--lr", 1e-3]
    run("fp8c-run", "profile", program, *training, "--batches", 1, "-o", tmp_path / "stats.json")
    run("fp8c-run", "train", program, *training, "--schedule", "constant", "--warmup", 0, "--clip", 1, "--out", tmp_path / "run")
    states = read_safetensors(tmp_path / "run/checkpoints/step-000006/model.safetensors")
    batch = {"tokens": tokens[None, :-1].astype(np.int64), "targets": tokens[None, 1:].astype(np.int64)}
    values = call(program, "observe", {**states, **batch}, folder=tmp_path)

    operands = json.loads((tmp_path / "stats.json").read_text())["operands"]
    names = {f"h.0/{op}.{operand}" for op in ("attn/qkv", "attn/proj", "mlp/fc", "mlp/proj") for operand in ("x", "w", "dy")}
    assert {operand["name"] for operand in operands} == names | {"lm_head.x", "lm_head.w", "lm_head.dy"}
    for operand in operands:
        value = values[operand["name"]]
        matrix = value.reshape(-1, value.shape[-1])
        assert operand["amax"] == np.abs(matrix).max() > 0
        assert list(operand["formats"]) == list(DTYPES)
        for name, by_granularity in operand["formats"].items():
            assert set(by_granularity) == (set(TILES) if name in ("e4m3", "e5m2") else {"tensor"})
            for granularity, stats in by_granularity.items():
                back = rounded(matrix, DTYPES[name], granularity)
                noise = np.square((back - matrix).astype(np.float64)).sum()
                snr = 10 * np.log10(np.square(matrix.astype(np.float64)).sum() / noise) if noise else 200
                assert stats["snr_db"] == pytest.approx(snr, abs=0.006)
                assert stats["underflow"] == pytest.approx(((back == 0) & (matrix != 0)).sum() / (matrix != 0).sum())
                assert stats["overflow"] == 0
                for axis, lines in ((1, "lost_rows"), (0, "lost_columns")):
                    lost = 2 * ((back == 0) & (matrix != 0)).sum(axis) > (matrix != 0).sum(axis)
                    assert stats[lines] == pytest.approx(lost.sum() / (matrix != 0).any(axis).sum())
    for variable in json.loads((tmp_path / "stats.json").read_text())["variables"]:
        if variable["role"] == "gradient":
            continue  # of the last step, which is over
        for name, formats in state_formats(variable["role"], states[variable["name"]]).items():
            measured = variable["formats"][name]["tensor"]
            for key, value in formats["tensor"].items():
                assert measured[key] == pytest.approx(value, abs=0.006 if key == "snr_db" else 1e-9), (variable["name"], name, key)


def test_sums_over_ranks(folder, tmp_path):
    """Of a real training's gradients: dividing before the sum underflows, after it overflows, mu does neither."""
    arguments = ["--data", folder / "text.train.bin", "--steps", 60, "--lr", 1e-3, "--ranks", 64, "-o", tmp_path / "stats.json"]
    output = run("fp8c-run", "profile", folder / "bf16.fp8x", *arguments)
    assert "sums of E4M3 gradients over 64 ranks" in output
    sums = json.loads((tmp_path / "stats.json").read_text())["sums"]
    assert sums["ranks"] == 64 and 3 <= sums["steps"] <= 8
    assert len(sums["gradients"]) == 10, "matrices only"

    def mean(way, what):
        sizes = [np.prod(gradient["shape"]) for gradient in sums["gradients"]]
        return np.average([gradient[way][what] for gradient in sums["gradients"]], weights=sizes)

    for gradient in sums["gradients"]:
        assert 1 / 64 <= gradient["mu"] < 1
        assert gradient["before"]["saturated"] == 0 and gradient["auto"]["saturated"] <= 1e-5
        assert gradient["auto"]["underflow"] <= gradient["before"]["underflow"]
    assert mean("after", "saturated") > 1e-3
    assert mean("auto", "underflow") < 0.7 * mean("before", "underflow")
    assert mean("auto", "snr_db") > mean("after", "snr_db")
    for gradient in sums["gradients"]:
        assert gradient["exact"]["saturated"] == 0
        assert gradient["exact"]["snr_db"] >= max(27, gradient["auto"]["snr_db"] + 6)


def test_operands_say_who_reads_them(folder):
    operands = {operand["name"]: operand for operand in json.loads((folder / "stats.json").read_text())["operands"]}
    x, dy, w = (operands[f"h.1/mlp/fc.{operand}"] for operand in ("x", "dy", "w"))
    assert [x["role"], dy["role"], w["role"]] == ["activation", "gradient", "weight"]
    read = lambda operand: [(use["gemm"], use["operand"], use["contracting"]) for use in operand["uses"]]
    assert read(x) == [("fwd", "x", [2]), ("wgrad", "x", [0, 1])]
    assert read(dy) == [("dgrad", "dy", [2]), ("wgrad", "dy", [0, 1])]
    assert read(w) == [("fwd", "w", [0]), ("dgrad", "w", [1])]
    # A scale for fewer elements fits them better.
    fine = lambda operand, granularity: operand["formats"]["e4m3"][granularity]["underflow"]
    assert all(fine(operand, "row") <= fine(operand, "tensor") for operand in operands.values())


def test_programs_without_operands_have_states_measured(folder, tmp_path):
    program = compile_model(folder / "model.onnx", tmp_path / "plain.fp8x", "--recipe", "bf16", "--batch", 4)
    output = run("fp8c-run", "profile", program, "--data", folder / "text.train.bin", "--steps", 2, "-o", tmp_path / "stats.json")
    assert "hint: to measure the operands of products too, compile the program with --expose-operands" in output
    assert "operands" not in json.loads((tmp_path / "stats.json").read_text())
    # Their products have the formats of fp8-lm.
    options = ["--recipe", "auto", "--stats", tmp_path / "stats.json", "--batch", 4, "--emit", "fp8", "-o", tmp_path / "x.fp8x"]
    assert "fp8.matmul" in run("fp8c", "compile", folder / "model.onnx", *options)
    assert "Matrix products as in fp8-lm.yaml" in (tmp_path / "x.recipe.yaml").read_text()


# ------------------------------------------------------------------------------
# The recipe
# ------------------------------------------------------------------------------


def test_the_papers_table_is_rediscovered(folder):
    """First moments may be E4M3, second moments not as they are, parameters not at all (arXiv 2310.18313, section 3)."""
    output, recipe = compile_auto(folder, "auto")
    assert f"the chosen recipe is in {recipe}" in output
    text = recipe.read_text()
    verdict = lambda role, form: re.search(rf"# {role}: .*\n(?:  #   .*\n)*?  #   {form}: .* - (\w.*)\n", text)[1]
    assert verdict("moment1", "e4m3") == "chosen"
    assert verdict("moment2", "e4m3") == "rejected" and verdict("moment2", "e4m3-sqrt") == "chosen"
    assert verdict("parameter", "e4m3") == "rejected"
    # It is an ordinary recipe.
    compile_model(folder / "model.onnx", folder / "again.fp8x", "--recipe", recipe, "--batch", 4, "--micro-batches", 1)
    inspected = run("fp8c", "inspect", folder / "again.fp8x")
    assert "state bytes per parameter: 5.28" in inspected


def products(program):
    """Formats of both operands of every product, by name and what it computes."""
    lines = run("fp8c", "inspect", program).split("contraction of @micro")[1].splitlines()[1:]
    fields = [line.split() for line in lines if line.strip()]
    return {(line[0], line[1]): {"f8E4M3FN": "e4m3", "f8E5M2": "e5m2"}.get(line[5], line[5]) + " x " + {"f8E4M3FN": "e4m3", "f8E5M2": "e5m2"}.get(line[6], line[6]) for line in fields}


def test_products_get_the_formats_that_their_operands_bear(folder, tmp_path):
    """After some steps of a small model E4M3 bears all, and rounds less than E5M2; the head stays as it is."""
    compile_auto(folder, "products")
    formats = products(folder / "products.fp8x")
    assert len(formats) == 3 * 9
    assert {form for (name, _), form in formats.items() if name != "lm_head"} == {"e4m3 x e4m3"}
    assert {form for (name, _), form in formats.items() if name == "lm_head"} == {"bf16 x bf16"}
    text = (folder / "products.recipe.yaml").read_text()
    assert re.search(r"# h\.\*/mlp/fc\n  #   activation, e4m3: 3\d(\.\d)? dB, 0 % underflow in h\.[01]/mlp/fc\.x - chosen\n", text)
    assert re.search(r"#   gradient, e5m2: 2\d(\.\d)? dB, .* - not needed\n", text)


def test_operands_that_miss_the_criterion_get_wider_formats(folder, tmp_path):
    stats = json.loads((folder / "stats.json").read_text())
    tensor = lambda name, form: next(o for o in stats["operands"] if o["name"] == name)["formats"][form]["tensor"]
    tensor("h.0/mlp/fc.dy", "e4m3")["underflow"] = 0.2  # of one layer: of both, as they share rules
    tensor("h.1/mlp/proj.x", "e4m3")["snr_db"] = 19.9  # no other format: bf16 in that layer
    for layer in 0, 1:
        tensor(f"h.{layer}/attn/proj.w", "e4m3")["underflow"] = 0.011
    (tmp_path / "stats.json").write_text(json.dumps(stats))
    options = ["--recipe", "auto", "--stats", tmp_path / "stats.json", "--batch", 4, "--host-opt", 0]
    run("fp8c", "compile", folder / "model.onnx", *options, "-o", tmp_path / "x.fp8x")
    formats, text = products(tmp_path / "x.fp8x"), (tmp_path / "x.recipe.yaml").read_text()
    for layer in 0, 1:
        assert formats[f"h.{layer}/mlp/fc", "fwd"] == "e4m3 x e4m3"
        assert formats[f"h.{layer}/mlp/fc", "dgrad"] == "e5m2 x e4m3" and formats[f"h.{layer}/mlp/fc", "wgrad"] == "e4m3 x e5m2"
        assert [formats[f"h.{layer}/attn/proj", gemm] for gemm in ("fwd", "dgrad", "wgrad")] == ["bf16 x bf16", "bf16 x bf16", "e4m3 x e4m3"]
    assert {formats["h.0/mlp/proj", gemm] for gemm in ("fwd", "dgrad", "wgrad")} == {"e4m3 x e4m3"}
    assert [formats["h.1/mlp/proj", gemm] for gemm in ("fwd", "dgrad", "wgrad")] == ["bf16 x bf16", "e4m3 x e4m3", "bf16 x bf16"]
    assert "gradient, e4m3: 31.4 dB, 20 % underflow in h.0/mlp/fc.dy - rejected" in text
    assert "19.9 dB, 0 % underflow in h.1/mlp/proj.x - chosen but for some layers" in text
    assert "# fwd, dgrad: bf16, by default." in text


def test_statistics_of_an_older_version_are_refused(folder, tmp_path):
    (tmp_path / "stats.json").write_text(json.dumps({"format": 1, "variables": []}))
    options = ["--recipe", "auto", "--stats", tmp_path / "stats.json", "--batch", 4, "-o", tmp_path / "x.fp8x"]
    output = run("fp8c", "compile", folder / "model.onnx", *options, status=1)
    assert "format: is not 3" in output and "measure again with the fp8c-run of this installation" in output


def test_a_recipe_within_a_budget_trains(folder):
    """In FP8 nothing becomes 0 that should not, and the loss is bf16's."""
    _, recipe = compile_auto(folder, "six", "--budget-bytes-per-param", 6)
    inspected = run("fp8c", "inspect", folder / "six.fp8x")
    assert 5 < float(re.search(r"state bytes per parameter: (\S+)", inspected)[1]) <= 6
    losses = {}
    for name, watch in (("bf16", []), ("six", ["--watch-every", 50])):
        options = ["--data", folder / "text.train.bin", "--steps", 50, "--lr", 1e-3, "--beta2", 0.99, *watch]
        run("fp8c-run", "train", folder / f"{name}.fp8x", *options, "--out", folder / f"run-{name}")
        losses[name] = [json.loads(line)["loss"] for line in (folder / f"run-{name}/metrics.jsonl").read_text().splitlines() if "loss" in line][-1]
    assert losses["six"] == pytest.approx(losses["bf16"], rel=0.03) and losses["six"] < 4.5
    watched = json.loads((folder / "run-six/fp8.jsonl").read_text().splitlines()[-1])["tensors"]
    narrow = {name: entry["zero"] for name, entry in watched.items() if re.search(r"\.(grad|m|v)$", name) and "zero" in entry}
    assert len(narrow) >= 20 and max(narrow.values()) < 0.01, narrow


def test_statistics_of_another_model_are_refused(folder, tmp_path):
    run("fp8c", "model", "gpt2", "--layers", 3, *SIZES, "-o", tmp_path / "deep.onnx")
    options = ["--recipe", "auto", "--stats", folder / "stats.json", "--batch", 4, "-o", tmp_path / "x.fp8x"]
    output = run("fp8c", "compile", tmp_path / "deep.onnx", *options, status=1)
    assert output.count("fp8c: ") == 1 and "hint: measure this model" in output and "stats.json" in output
    assert "these are statistics of another model: they have no parameter 'h.2/ln_1.weight'; the nearest is 'h." in output
    run("fp8c", "model", "gpt2", "--layers", 2, *SIZES[:1], 64, *SIZES[2:], "-o", tmp_path / "wide.onnx")
    output = run("fp8c", "compile", tmp_path / "wide.onnx", *options, status=1)
    assert "these are statistics of another model: their 'wte.weight' has shape 256x32, the model's 256x64" in output


def test_narrow_states_are_not_profiled(folder):
    program = compile_model(folder / "model.onnx", folder / "lm.fp8x", "--recipe", "fp8-lm", "--batch", 4)
    output = run("fp8c-run", "profile", program, "--data", folder / "text.train.bin", status=1)
    assert 'keeps "wte.weight" in f16' in output and "--recipe bf16 or f32" in output
