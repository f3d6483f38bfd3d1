"""The auto recipe: what it puts in a narrow format survives there, and it keeps its budget.

Statistics are made by recipe_oracle.py, from tensors with outliers of all kinds; the
formats of the recipe are then applied to these tensors and what becomes 0 is counted.
"""

import copy
import json
import re

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from recipe_oracle import Recipe, Stored, operand_formats, state_formats
from support import compile_model, read_safetensors, run

SUFFIXES = {"parameter": "", "gradient": ".grad", "moment1": ".m", "moment2": ".v"}
OPS = [f"h.{layer}/{op}" for layer in (0, 1) for op in ("attn/qkv", "attn/proj", "mlp/fc", "mlp/proj")]
# Of elements that underflow; of rows and of columns that are lost.
MOST = {"parameter": (0.01, 0.001), "gradient": (0.01, 0.001), "moment1": (0.01, 0.001), "moment2": (0.001, 0.001), "operand": (0.01, 0.01)}
BYTES = {"f32": 4, "bf16": 2, "f16-scaled": 2, "e4m3": 1, "e5m2": 1}
LOST = {"bf16": 0.3, "f16-scaled": 0.02, "e4m3": 0.5, "e5m2": 0.6}


class Statistics:
    """A model's tensors and what formats do to them, as fp8c-run profile would tell it."""

    def __init__(self, model):
        random = np.random.default_rng(7)
        self.variables, self.operands, self.values = [], [], {}
        for parameter in onnx.load(model).graph.initializer:
            if len(parameter.dims) == 0 or parameter.data_type != onnx.TensorProto.FLOAT:
                continue
            for role, suffix in SUFFIXES.items():
                variable = {"name": parameter.name + suffix, "role": role, "of": parameter.name, "shape": list(parameter.dims)}
                self.variables.append(variable)
                self.set(variable, random.normal(size=parameter.dims) ** (2 if role == "moment2" else 1))
        for op in OPS:
            for operand, role, shape in (("x", "activation", [96, 32]), ("w", "weight", [32, 48]), ("dy", "gradient", [96, 48])):
                gemms = {"x": ("fwd", "wgrad"), "w": ("fwd", "dgrad"), "dy": ("dgrad", "wgrad")}[operand]
                uses = [{"op": op, "gemm": gemm, "operand": operand, "contracting": [1]} for gemm in gemms]
                entry = {"name": f"{op}.{operand}", "role": role, "shape": shape, "uses": uses}
                self.operands.append(entry)
                self.set(entry, random.normal(size=shape))

    def set(self, entry, values):
        self.values[entry["name"]] = values
        if "uses" in entry:
            entry["formats"] = operand_formats(values)
            return
        entry["formats"] = state_formats(entry["role"], values)
        if entry["role"] == "parameter":
            for name, formats in entry["formats"].items():
                formats["tensor"]["lost_changes"] = LOST[name]

    def lose(self, changes):
        """Gives the share of lost changes of parameters."""
        for variable in self.variables:
            if variable["role"] == "parameter":
                variable["formats"]["e4m3"]["tensor"]["lost_changes"] = changes

    def write(self, path):
        path.write_text(json.dumps({"format": 3, "steps": 1, "variables": self.variables, "operands": self.operands}))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("auto")
    run("fp8c", "model", "gpt2", "--layers", 2, "--d-model", 32, "--heads", 2, "--vocab", 64, "--seq", 32, "-o", folder / "model.onnx")
    return folder / "model.onnx"


def choose(model, statistics, folder, *options, status=0, emit="train", one=True):
    """The recipe's path, and what fp8c said."""
    statistics.write(folder / "stats.json")
    compiler = folder / "compiler"  # whose code nobody runs
    compiler.write_text('#!/bin/sh\nwhile [ "$1" != -o ]; do shift; done; echo >"$2"\n')
    compiler.chmod(0o755)
    options = [*options, *(["--emit", emit] if emit else ["--host-compiler", compiler]), *(["--micro-batches", 1] if one else [])]
    command = ["--recipe", "auto", "--stats", folder / "stats.json", "--batch", 4, *options, "-o", folder / "auto.fp8x"]
    output = run("fp8c", "compile", model, *command, status=status)
    return folder / "auto.recipe.yaml", output


# ------------------------------------------------------------------------------
# Underflow
# ------------------------------------------------------------------------------

OUTLIERS = {
    "element": lambda values, factor: values.__setitem__((3, 5), factor),
    "row": lambda values, factor: values.__setitem__(3, values[3] * factor),
    "column": lambda values, factor: values.__setitem__((slice(None), 5), values[:, 5] * factor),
    "small row": lambda values, factor: values.__setitem__(3, values[3] / factor),
    "small column": lambda values, factor: values.__setitem__((slice(None), 5), values[:, 5] / factor),
}


def damage(stored):
    """The shares that have limits."""
    statistics = stored.statistics()
    return statistics["underflow"], max(statistics["lost_rows"], statistics["lost_columns"])


def survives(stored, role):
    return all(share <= most for share, most in zip(damage(stored), MOST[role]))


def check_states(recipe, statistics):
    narrow = 0
    for variable in statistics.variables:
        settings = recipe.storage(variable)
        if settings["storage"] == "f32":
            continue
        values = statistics.values[variable["name"]]
        matrix = values.reshape(-1, values.shape[-1])
        stored = Stored(matrix, settings["storage"], settings["expansion"] == "sqrt", settings["rounding"] == "stochastic")
        assert survives(stored, variable["role"]), (variable["name"], settings, damage(stored))
        assert variable["role"] == "parameter" or stored.statistics()["snr_db"] >= 20
        narrow += BYTES[settings["storage"]] == 1
    return narrow


def check_operands(recipe, statistics):
    narrow = 0
    for operand in statistics.operands:
        for use in operand["uses"]:
            settings = recipe.settings(name=use["op"], gemm=use["gemm"], operand=operand["role"], layer=int(use["op"][2]))
            if settings["format"] in ("e4m3", "e5m2"):
                assert survives(Stored(statistics.values[operand["name"]], settings["format"]), "operand"), (operand["name"], settings)
                narrow += 1
    return narrow


@pytest.fixture(scope="module")
def plain(model):
    return Statistics(model)


@pytest.fixture
def statistics(plain):
    """Those of `plain`, to be changed."""
    changed = copy.copy(plain)
    changed.variables, changed.operands = copy.deepcopy(plain.variables), copy.deepcopy(plain.operands)
    changed.values = dict(plain.values)
    return changed


@pytest.mark.parametrize("kind", OUTLIERS)
@pytest.mark.parametrize("factor", [1e3, 1e5, 1e7])
def test_nothing_is_put_where_it_underflows(model, statistics, factor, kind, tmp_path):
    """An outlier in one parameter, its gradient, its moments, and all operands of its products."""
    hit = [variable for variable in statistics.variables if variable["of"] == "h.1/mlp/fc.weight"]
    operands = [operand for operand in statistics.operands if operand["name"].startswith("h.1/mlp/fc.")]
    for entry in hit + operands:
        values = statistics.values[entry["name"]].copy()
        OUTLIERS[kind](values, factor ** (2 if entry["role"] == "moment2" else 1))
        statistics.set(entry, values)
    statistics.lose(0.05)  # or parameters would be too wide to underflow
    recipe = Recipe(choose(model, statistics, tmp_path)[0])
    check_states(recipe, statistics)
    check_operands(recipe, statistics)
    if factor > 1e4 and kind in ("row", "column"):
        for entry in hit:
            assert max(damage(Stored(statistics.values[entry["name"]], "e4m3"))) > 0.3, "the case shows what it should"
            assert recipe.storage(entry)["storage"] != "e4m3", entry["name"]


def test_without_outliers_all_is_narrow(model, statistics, tmp_path):
    statistics.lose(0.05)
    recipe = Recipe(choose(model, statistics, tmp_path)[0])
    assert check_states(recipe, statistics) == sum(len(variable["shape"]) > 1 for variable in statistics.variables)
    assert check_operands(recipe, statistics) == 6 * len(OPS)


def test_a_small_row_is_not_hidden_by_the_energy_of_others(model, statistics, tmp_path):
    """One row of 64 is far below the rest, but for some elements: 28 dB, and under 1 % of the elements."""
    variable = next(variable for variable in statistics.variables if variable["name"] == "wte.weight.m")
    values = statistics.values["wte.weight.m"].copy()
    values[9, 12:] /= 1e7
    statistics.set(variable, values)
    measured = variable["formats"]["e4m3"]["tensor"]
    assert measured["snr_db"] > 25 and measured["underflow"] < 0.01 and measured["lost_rows"] == 1 / 64
    assert Recipe(choose(model, statistics, tmp_path)[0]).storage(variable)["storage"] == "e5m2"


def test_a_real_training_with_an_outlier_channel(tmp_path):
    """A gain of 1e5: the gradient and the moments of the matrix behind it have a row of that size."""
    np.random.default_rng(0).integers(0, 64, 33).astype(np.uint16).tofile(tmp_path / "window.bin")
    run("fp8c", "model", "gpt2", "--layers", 1, "--d-model", 32, "--heads", 2, "--vocab", 64, "--seq", 32, "-o", tmp_path / "model.onnx")
    model = onnx.load(tmp_path / "model.onnx")
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    for name, factor in (("h.0/ln_2.weight", 1e5), ("h.0/mlp/fc.weight", 1e-5)):  # the function stays
        values = numpy_helper.to_array(tensors[name]).copy()
        values[5] *= factor
        tensors[name].CopyFrom(numpy_helper.from_array(values, name))
    onnx.save(model, tmp_path / "model.onnx")
    program = compile_model(tmp_path / "model.onnx", tmp_path / "bf16.fp8x", "--recipe", "bf16", "--batch", 1)
    training = ["--data", tmp_path / "window.bin", "--steps", 3, "--lr", 1e-6]
    run("fp8c-run", "profile", program, *training, "-o", tmp_path / "stats.json")
    run("fp8c-run", "train", program, *training, "--schedule", "constant", "--warmup", 0, "--clip", 1, "--out", tmp_path / "run")
    command = ["--recipe", "auto", "--stats", tmp_path / "stats.json", "--batch", 1, "--micro-batches", 1, "--emit", "train"]
    run("fp8c", "compile", tmp_path / "model.onnx", *command, "-o", tmp_path / "auto.fp8x")

    recipe = Recipe(tmp_path / "auto.recipe.yaml")
    variables = {variable["name"]: variable for variable in json.loads((tmp_path / "stats.json").read_text())["variables"]}
    measured = Statistics.__new__(Statistics)
    states = read_safetensors(tmp_path / "run/checkpoints/step-000003/model.safetensors")
    measured.variables = [variable for variable in variables.values() if variable["role"] != "gradient" and len(variable["shape"]) > 1]
    measured.values = states
    assert check_states(recipe, measured) > 0
    for suffix in ".grad", ".m":
        variable = variables["h.0/mlp/fc.weight" + suffix]
        assert variable["formats"]["e4m3"]["tensor"]["underflow"] > 0.3
        assert variable["formats"]["e4m3"]["tensor"]["snr_db"] > 25
        assert recipe.storage(variable)["storage"] != "e4m3"


def test_stochastic_rounding_underflows_below_half_the_smallest_number():
    """A moving average that is stored so: below half of it the noise is larger than the value, whatever beta is."""
    random = np.random.default_rng(3)
    smallest = 2.0**-9
    for beta in (0.5, 0.9, 0.99):
        for fraction, is_lost in ((0.05, True), (0.4, True), (0.6, False), (0.9, False)):
            average = np.zeros(4000)
            for _ in range(int(8 / (1 - beta))):
                next_ = beta * average + (1 - beta) * fraction * smallest
                low = np.floor(next_ / smallest)
                average = (low + (random.random(average.size) < next_ / smallest - low)) * smallest
            assert average.mean() == pytest.approx(fraction * smallest, rel=0.25)
            noise = np.square(average - fraction * smallest).mean()
            assert (noise > (fraction * smallest) ** 2) == is_lost
            stored = Stored([[fraction * smallest, 448]], "e4m3", stochastic=True)
            assert stored.underflows()[0, 0] == is_lost


# ------------------------------------------------------------------------------
# Budgets
# ------------------------------------------------------------------------------


def state_bytes(text):
    return float(re.search(r"tate bytes per parameter.*?: (\d+\.\d+)", text)[1])


@pytest.mark.parametrize("one, budgets", [(True, [14, 8, 7, 6, 5, 4]), (False, [14, 11, 10, 9, 8, 7])])
def test_budgets_are_kept_and_used(model, statistics, one, budgets, tmp_path):
    """As fp8c inspect counts: every smaller budget gives a narrower recipe, and widens nothing."""
    statistics.lose(0.05)
    taken, formats = [], []
    for budget in budgets:
        path, _ = choose(model, statistics, tmp_path, "--budget-bytes-per-param", budget, emit="", one=one)
        inspected = state_bytes(run("fp8c", "inspect", tmp_path / "auto.fp8x"))
        assert state_bytes(path.read_text()) == inspected <= budget
        recipe = Recipe(path)
        check_states(recipe, statistics)
        taken.append(inspected)
        formats.append([BYTES[recipe.storage(variable)["storage"]] for variable in statistics.variables])
        assert budget - inspected < 1.5, "it is used"
    assert all(a > b for a, b in zip(taken, taken[1:])), taken
    assert all(a >= b for wide, narrow in zip(formats, formats[1:]) for a, b in zip(wide, narrow))


def test_a_budget_that_the_limits_do_not_allow_is_an_error_of_two_lines(model, plain, tmp_path):
    earlier = "# Chosen by measurement: earlier"
    (tmp_path / "auto.recipe.yaml").write_text(earlier)
    for one, least in ((True, "5.00"), (False, "8.00")):
        path, output = choose(model, plain, tmp_path, "--budget-bytes-per-param", 4, status=1, one=one)
        assert len(output.splitlines()) == 2, output
        assert f"the statistics allow no recipe of 4 bytes per parameter: the least is {least} ({tmp_path}/stats.json)" in output
        assert "hint: h.*/mlp/fc.weight stays in f16-scaled (e4m3: 50 % of changes lost in h.0/mlp/fc.weight)" in output
        assert ("--micro-batches 1" in output) == (not one)
        assert path.read_text() == earlier


def test_bad_statistics_are_told_in_few_lines(model, plain, tmp_path):
    plain.write(tmp_path / "stats.json")
    good = json.loads((tmp_path / "stats.json").read_text())
    missing = json.loads(json.dumps(good))
    del missing["variables"][0]["formats"]["e4m3"]["tensor"]["underflow"]
    bad = {
        "": "JSON",
        "{": "JSON",
        "[]": "expected an object",
        json.dumps(good)[:-200]: "JSON",
        json.dumps({**good, "format": 2}): "format: is not 3",
        json.dumps({**good, "variables": []}): "statistics of another model",
        json.dumps({**good, "variables": good["variables"][4:]}): "statistics of another model",
        json.dumps({**good, "variables": 3}): "variables",
        json.dumps(missing): "underflow",
        json.dumps({**good, "operands": [{}]}): "operands[0]",
    }
    for text, message in bad.items():
        (tmp_path / "stats.json").write_text(text)
        options = ["--recipe", "auto", "--stats", tmp_path / "stats.json", "--batch", 4, "-o", tmp_path / "x.fp8x"]
        output = run("fp8c", "compile", model, *options, status=1)
        assert len(output.splitlines()) <= 3 and message in output and "stats.json" in output, output
        assert not list(tmp_path.glob("x.*"))
    (tmp_path / "stats.json").unlink()
    output = run("fp8c", "compile", model, *options, status=1)
    assert len(output.splitlines()) <= 3 and "stats.json" in output
