"""Weights given to `fp8c-run call` bring their scales: they are as if they had been compiled in."""

import json

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from support import call, compile_model, run, write_safetensors

RECIPES = ["f32", "bf16", "fp8-current", "fp8-delayed", "fp8-head", "fp8-rowwise", "fp8-block", "fp8-lm", "fp8-lm-5"]
SCALES = {"same": 1.0, "larger": 8.0, "smaller": 1 / 64}
BATCH, SEQ, VOCAB = 2, 64, 128
WEIGHT = "h.0/mlp/fc.weight"


class Workshop:
    """Programs of one model with these weights and with those, compiled when they are asked for."""

    def __init__(self, folder):
        self.folder, self.programs = folder, {}
        sizes = ["--layers", 1, "--d-model", 128, "--heads", 2, "--vocab", VOCAB, "--seq", SEQ]
        for name, seed in ("base", 1), ("same", 2):
            run("fp8c", "model", "gpt2", *sizes, "--seed", seed, "-o", folder / f"{name}.onnx")
        # Row by row of other sizes, so that no scale is that of the base.
        rng = np.random.default_rng(0)
        model = onnx.load(folder / "same.onnx")
        names = self.parameters(self.program("base", "f32"))
        self.weights = {}
        for tensor in model.graph.initializer:
            if tensor.name in names:
                value = numpy_helper.to_array(tensor)
                value = value * np.exp(rng.normal(size=(len(value),) + (1,) * (value.ndim - 1)).astype(np.float32))
                self.weights[tensor.name] = value
        for name, scale in SCALES.items():
            for tensor in model.graph.initializer:
                if tensor.name in names:
                    tensor.CopyFrom(numpy_helper.from_array(self.scaled(scale)[tensor.name], tensor.name))
            onnx.save(model, folder / f"{name}.onnx")
        self.batch = {name: rng.integers(0, VOCAB, (BATCH, SEQ)) for name in ("tokens", "targets")}

    def scaled(self, scale):
        return {name: value * np.float32(scale) for name, value in self.weights.items()}

    def program(self, weights, recipe):
        path = self.folder / f"{weights}-{recipe}.fp8x"
        if not path.exists():
            compile_model(self.folder / f"{weights}.onnx", path, "--recipe", recipe, "--batch", BATCH)
        return path

    @staticmethod
    def manifest(program):
        return json.loads((program / "manifest.json").read_text())

    def parameters(self, program):
        return {v["name"]: v for v in self.manifest(program)["variables"] if v["role"] == "parameter"}

    def call(self, program, tensors):
        functions = ["calibrate", "micro", "update", "micro"]
        functions = [name for name in functions if name in self.manifest(program)["functions"]]
        return call(program, ",".join(functions), {**tensors, **self.batch}, folder=self.folder)

    def refuses(self, program, tensors, message, functions="init"):
        write_safetensors(self.folder / "in.safetensors", tensors)
        out = self.folder / "refused.safetensors"
        shown = run("fp8c-run", "call", program, functions, "--inputs", self.folder / "in.safetensors", "--outputs", out, status=1)
        assert "in.safetensors" in shown and message in shown and not out.exists(), shown
        return shown


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    return Workshop(tmp_path_factory.mktemp("given"))


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    different = [name for name in expected if found[name].tobytes() != expected[name].tobytes()]
    assert not different


# Compiling takes most of the time: every recipe once, and all scales where scales have a memory.
@pytest.mark.parametrize("recipe, scale", [(r, "larger") for r in RECIPES] + [(r, s) for r in ("fp8-delayed", "fp8-lm") for s in ("same", "smaller")])
def test_given_is_as_compiled_in(workshop, recipe, scale):
    """Losses, gradients and all states, to the bit, also after an update."""
    program = workshop.program("base", recipe)
    expected = workshop.call(workshop.program(scale, recipe), {})
    assert np.isfinite(expected["loss"])
    assert_same(workshop.call(program, workshop.scaled(SCALES[scale])), expected)
    assert expected["loss"] != workshop.call(program, {})["loss"]


@pytest.mark.parametrize("recipe", ["fp8-delayed", "fp8-lm"])
def test_one_of_many(workshop, recipe):
    """Of what is not given everything stays, of what is everything follows."""
    program = workshop.program("base", recipe)
    plain = call(program, "init", {}, folder=workshop.folder)
    given = call(program, "init", {WEIGHT: workshop.scaled(8)[WEIGHT]}, folder=workshop.folder)
    compiled = call(workshop.program("larger", recipe), "init", {}, folder=workshop.folder)
    of_weight = {name for name in plain if name.startswith(WEIGHT)}
    assert {f"{WEIGHT}.e4m3.scale", f"{WEIGHT}.e4m3.amax"} < of_weight
    assert_same({n: given[n] for n in of_weight}, {n: compiled[n] for n in of_weight})
    assert_same({n: given[n] for n in plain.keys() - of_weight}, {n: plain[n] for n in plain.keys() - of_weight})


@pytest.mark.parametrize("recipe", RECIPES[1:])  # in f32 there is nothing to init
def test_what_a_program_gives_it_takes(workshop, recipe):
    """All variables, after an update: compute weights and scales belong together."""
    program = workshop.program("base", recipe)
    after = workshop.call(program, {})
    names = {v["name"] for v in workshop.manifest(program)["variables"]}
    state = {name: value for name, value in after.items() if name in names}
    assert_same({n: v for n, v in call(program, "init", state, folder=workshop.folder).items()}, state)


def test_codes_bring_their_amax(workshop):
    """Stored values with their scale and nothing else: the amax is that of the values."""
    program = workshop.program("base", "fp8-lm")
    other = call(workshop.program("larger", "fp8-lm"), "init", {}, folder=workshop.folder)
    given = {name: other[name] for name in (WEIGHT, f"{WEIGHT}.scale")}
    found = call(program, "init", given, folder=workshop.folder)
    values = np.abs(other[WEIGHT].astype(np.float32)).max() * other[f"{WEIGHT}.scale"][-1]
    for name in f"{WEIGHT}.amax", f"{WEIGHT}.e4m3.amax":
        assert found[name].view(np.float32)[0] == values
    assert_same({n: found[n] for n in (f"{WEIGHT}.e4m3", f"{WEIGHT}.e4m3.scale")}, {n: other[n] for n in (f"{WEIGHT}.e4m3", f"{WEIGHT}.e4m3.scale")})


def test_a_given_scale_is_used(workshop):
    """Without the parameter too: its initial values are quantised with it."""
    program = workshop.program("base", "fp8-lm")
    plain = call(program, "init", {}, folder=workshop.folder)
    pair = plain[f"{WEIGHT}.scale"].copy()
    pair[0], pair[-1] = pair[0] / 4, pair[-1] * 4
    found = call(program, "init", {f"{WEIGHT}.scale": pair}, folder=workshop.folder)
    assert (found[WEIGHT].astype(np.float32) * pair[-1] == plain[WEIGHT].astype(np.float32) * plain[f"{WEIGHT}.scale"][-1]).all()


def test_what_does_not_fit_is_refused(workshop):
    program = workshop.program("base", "fp8-lm")
    state = call(program, "init", {}, folder=workshop.folder)
    pair = lambda scale: np.array([scale, 0, 0, 0, 1 / scale], np.float32)
    amax = lambda value: np.array([np.float32(value).view(np.int32), 0, 0], np.int32)
    refuse = lambda tensors, message: workshop.refuses(program, tensors, message)

    assert "or the values in f32" in refuse({WEIGHT: state[WEIGHT]}, f'"{WEIGHT}" is given as codes, without "{WEIGHT}.scale"')
    refuse({f"{WEIGHT}.m": state[f"{WEIGHT}.m"]}, f'without "{WEIGHT}.m.scale"')
    refuse({f"{WEIGHT}.m": np.zeros(state[f"{WEIGHT}.m"].shape, np.float32)}, "f32, the program has")
    refuse({WEIGHT: workshop.weights[WEIGHT].T.copy()}, "the program has 128x512")
    for name, scale in (f"{WEIGHT}.scale", 2.0**40), (f"{WEIGHT}.e4m3.scale", 2.0**20):
        refuse({name: pair(scale)}, f'"{name}" is ')
        refuse({name: pair(scale), WEIGHT: workshop.weights[WEIGHT]}, "would be more than")
    refuse({f"{WEIGHT}.e4m3.scale": state[f"{WEIGHT}.e4m3.scale"], WEIGHT: workshop.scaled(64)[WEIGHT]}, "would be more than 448")
    refuse({f"{WEIGHT}.scale": np.array([4, 0, 0, 0, 0.5], np.float32)}, "is not a scale and its inverse")
    for name in f"{WEIGHT}.amax", f"{WEIGHT}.e4m3.amax":
        refuse({name: amax(1e-3)}, f'"{name}" is 0.001')
        refuse({name: state[name], WEIGHT: workshop.scaled(64)[WEIGHT]}, f'"{name}" is ')
    codes = state[f"{WEIGHT}.e4m3"].copy()
    codes.view(np.uint8)[0, 0] ^= 1
    refuse({f"{WEIGHT}.e4m3": codes}, f'"{WEIGHT}.e4m3" is computed by init')


@pytest.mark.parametrize(
    "name, value, message",
    [("tokens", VOCAB, "has 128"), ("tokens", -VOCAB - 1, "has -129"), ("targets", VOCAB, "has 128"), ("tokens", 2**62, "has 46116860")],
)
def test_ids_beyond_the_vocabulary(workshop, name, value, message):
    program = workshop.program("base", "f32")
    batch = {key: ids.copy() for key, ids in workshop.batch.items()}
    batch[name][1, 3] = value
    workshop.refuses(program, batch, f'"{name}" {message}', "micro")
    batch[name][1, 3] = -VOCAB if name == "tokens" else -100  # from the end; no loss
    assert np.isfinite(call(program, "micro", batch, folder=workshop.folder)["loss"])
