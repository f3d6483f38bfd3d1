"""What a fine-tuning asks for: some labels only, and some parameters only."""

import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from support import Graph, call, compile_model, read_safetensors, run, save

SIZES = "--layers 1 --d-model 32 --heads 2 --vocab 64 --seq 16".split()
SEQ, VOCAB = 16, 64
RECIPES = ["f32", "bf16", "fp8-delayed", "fp8-lm"]


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    """A small GPT-2 with weights, and programs of it."""

    class Workshop:
        folder = tmp_path_factory.mktemp("tuning")

        def program(self, recipe, *options, batch=2):
            words = [recipe, str(batch), *map(str, options)]
            path = self.folder / ("-".join(words).replace("/", "_").replace("*", "_") + ".fp8x")
            if not path.exists():
                compile_model(self.folder / "m.onnx", path, "--recipe", recipe, "--batch", batch, *options)
            return path

    run("fp8c", "model", "gpt2", *SIZES, "--seed", 3, "-o", Workshop.folder / "m.onnx")
    return Workshop()


def manifest(program):
    return json.loads((program / "manifest.json").read_text())


def functions_of(program, *names):
    return ",".join(name for name in names if name in manifest(program)["functions"])


# ------------------------------------------------------------------------------
# Labels that do not count
# ------------------------------------------------------------------------------


@pytest.mark.parametrize("recipe, tolerance", [("f32", 1e-4), ("fp8-lm", 0.05)])
def test_micro_batches_weigh_what_their_labels_do(workshop, recipe, tolerance):
    """A file of two windows, of which one has two labels and the other one: whatever the three
    micro-batches of a step are, its gradient is a mean over labels, as if they were one batch."""
    folder = workshop.folder
    tokens = np.random.default_rng(0).integers(0, VOCAB, SEQ + 2)
    labels = np.full(SEQ + 2, -100)
    labels[[1, 9]] = tokens[[1, 9]]
    tokens.astype("<u2").tofile(folder / "t.bin")
    labels.astype("<i4").tofile(folder / "l.bin")
    program = workshop.program("f32", batch=1)
    windows = []
    for first in 0, 1:
        inputs = {"tokens": tokens[None, first : first + SEQ], "targets": labels[None, first + 1 : first + SEQ + 1]}
        out = call(program, "micro", inputs, folder=folder)
        windows.append((out["loss"], np.concatenate([out[n].ravel() for n in sorted(out) if n.endswith(".grad")])))
    (loss0, g0), (loss1, g1) = windows
    expected = []
    for drawn in range(4):  # of three micro-batches those that are the second window
        weights = np.array([2.0 * (3 - drawn), drawn])
        weights /= weights.sum()
        expected.append((weights @ [loss0, loss1], np.linalg.norm(weights[0] * g0 + weights[1] * g1)))
    seen = set()
    for seed in range(4):
        out = folder / f"{recipe}-{seed}"
        step = ["--steps", 1, "--accumulate", 3, "--clip", 0, "--seed", seed, "--checkpoint-every", -1]
        run("fp8c-run", "train", workshop.program(recipe, batch=1), "--data", folder / "t.bin", "--labels", folder / "l.bin", *step, "--out", out)
        line = json.loads((out / "metrics.jsonl").read_text())
        found = np.array([line["loss"], line["grad_norm"]])
        errors = [np.abs(found / np.array(each) - 1).max() for each in expected]
        assert min(errors) < tolerance, (found, expected)
        seen.add(int(np.argmin(errors)))
    assert seen & {1, 2}  # micro-batches of unequal weight


# ------------------------------------------------------------------------------
# Frozen parameters
# ------------------------------------------------------------------------------

FREEZE = ("--freeze", "h.0/mlp/*", "--freeze", "wte*")


@pytest.mark.parametrize("recipe", RECIPES)
def test_frozen_parameters_cost_nothing_and_stay(workshop, recipe):
    whole, part = workshop.program(recipe), workshop.program(recipe, *FREEZE)
    variables = {v["name"]: v for v in manifest(part)["variables"]}
    parameters = {v["name"] for v in manifest(whole)["variables"] if v["role"] == "parameter"}
    frozen = {name for name, v in variables.items() if v["role"] == "frozen"}
    trained = {name for name, v in variables.items() if v["role"] == "parameter"}
    assert frozen == {name for name in parameters if name.startswith(("h.0/mlp/", "wte"))} and len(frozen) >= 3
    assert trained == parameters - frozen
    for name in frozen:
        assert variables[name]["dtype"] == "f32"
        assert not {v["role"] for v in variables.values() if v.get("of") == name} & {"gradient", "moment1", "moment2"}
    elements = lambda names: sum(int(np.prod(variables[name]["shape"])) for name in names)
    assert manifest(part)["model"]["parameters"] == elements(trained)
    assert manifest(part)["model"]["frozen"] == elements(frozen)
    # What is left costs per parameter what it did.
    line = lambda program: next(l for l in run("fp8c", "inspect", program).splitlines() if l.startswith("state bytes"))
    each = lambda program: float(line(program).split(":")[1].split()[0])
    assert abs(each(part) - each(whole)) < 0.5
    assert "frozen" in run("fp8c", "inspect", part) and "frozen" in run("fp8c-run", "info", part)

    rng = np.random.default_rng(0)
    inputs = {name: rng.integers(0, VOCAB, (2, SEQ)) for name in ("tokens", "targets")}
    full = call(whole, functions_of(whole, "calibrate", "micro"), inputs, folder=workshop.folder)
    # fp8-lm rounds what it trains to 16 bits, and leaves f32 what is frozen: give what was rounded.
    for name in frozen:
        inverse = full[f"{name}.scale"].ravel()[-1] if f"{name}.scale" in full else np.float32(1)
        inputs[name] = full[name].astype(np.float32) * inverse
    before = call(part, functions_of(part, "calibrate", "micro"), inputs, folder=workshop.folder)
    assert before["loss"] == full["loss"]
    for name in trained:
        found, expected = (out[f"{name}.grad"].astype(np.float64) for out in (before, full))
        assert np.linalg.norm(found - expected) <= 1e-6 * np.linalg.norm(expected), name
    after = call(part, functions_of(part, "calibrate", "micro", "update", "micro"), inputs, folder=workshop.folder)
    copies = {name for name, v in variables.items() if v.get("of") in frozen and v["role"] == "compute_weight"}
    assert copies or recipe == "f32"
    for name in frozen | copies:
        assert after[name].tobytes() == before[name].tobytes(), name
    for name in trained:
        assert (after[name] != before[name]).any(), name


def test_checkpoints_leave_frozen_parameters_to_the_program(workshop):
    folder = workshop.folder
    np.random.default_rng(0).integers(0, VOCAB, 200).astype("<u2").tofile(folder / "d.bin")
    program = workshop.program("fp8-delayed", *FREEZE)
    train = ["train", program, "--data", folder / "d.bin", "--log-every", 1]
    run("fp8c-run", *train, "--steps", 4, "--out", folder / "straight")
    run("fp8c-run", *train, "--steps", 2, "--out", folder / "resumed")
    run("fp8c-run", "train", "--resume", folder / "resumed", "--steps", 4)
    saved = [read_safetensors(folder / name / "checkpoints/step-000004/model.safetensors") for name in ("straight", "resumed")]
    frozen = {v["name"] for v in manifest(program)["variables"] if v["role"] == "frozen"}
    assert not frozen & saved[0].keys()
    # The schedule of a raised run is another, so only the shapes of what is saved agree.
    assert saved[0].keys() == saved[1].keys()
    lines = [run("fp8c-run", "eval", folder / "straight", "--data", folder / "d.bin") for _ in range(2)]
    assert lines[0] == lines[1] and "nats per token" in lines[0]
    # The same model with other weights in the frozen places is another program.
    model = onnx.load(folder / "m.onnx")
    for tensor in model.graph.initializer:
        if tensor.name in frozen:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * np.float32(2), tensor.name))
    save(model, folder / "other.onnx")
    compile_model(folder / "other.onnx", program, "--recipe", "fp8-delayed", "--batch", 2, *FREEZE)
    shown = run("fp8c-run", "eval", folder / "straight", "--data", folder / "d.bin", status=1)
    assert "the program's frozen parameters are others" in shown


def test_something_must_be_trained(workshop):
    shown = run("fp8c", "compile", workshop.folder / "m.onnx", "--batch", 1, "--freeze", "*", "-o", workshop.folder / "x.fp8x", status=1)
    assert "depends on no parameter that is trained: all that it depends on are frozen" in shown


# ------------------------------------------------------------------------------
# Initial data in other formats
# ------------------------------------------------------------------------------


def test_weights_of_any_float_type(tmp_path):
    """f16, bf16 and f64 become f32, to the bit, in parts of any size."""
    rng = np.random.default_rng(0)
    graph = Graph()
    x = graph.input("x", np.float32, [2, 3])
    kinds = {"half": TensorProto.FLOAT16, "brain": TensorProto.BFLOAT16, "double": TensorProto.DOUBLE}
    values = {}
    for name, kind in kinds.items():
        value = rng.normal(size=(3, 200_001)).astype(helper.tensor_dtype_to_np_dtype(kind))
        values[name] = value
        graph.initializers.append(numpy_helper.from_array(value, f"{name}.weight"))
        product = graph.op("MatMul", x, graph.op("Cast", f"{name}.weight", to=TensorProto.FLOAT))
        graph.nodes.append(helper.make_node("ReduceSum", [product], [name], name=f"{name}.sum", keepdims=1))
    outputs = {name: [1, 1] for name in kinds}
    program = compile_model(save(graph.model(outputs), tmp_path / "m.onnx"), tmp_path / "p.fp8x", "--recipe", "f32")
    out = call(program, "forward", {"x": np.ones((2, 3), np.float32)}, folder=tmp_path)
    for name, value in values.items():
        np.testing.assert_array_equal(out[f"{name}.weight"], value.astype(np.float32))
