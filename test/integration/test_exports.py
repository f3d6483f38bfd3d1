"""What PyTorch's exporters write, from a set made by test/exports/make.py.

Every file becomes a program in f32, decoders one in fp8-delayed as well:

- its logits are those of PyTorch, its first loss is onnxruntime's;
- what it trains is what PyTorch calls parameters;
- decoders train for 20 steps, and the loss falls.

Tolerance of logits
-------------------
u = 2^-24 is the unit roundoff of f32. Between two parameters at most

  n = 16 + terms of the longest sum

roundings follow one another, each of which acts like a relative change of at most u
of what it rounds, as a change of the parameters there does. What changes of all
parameters at once do is measured with onnxruntime: by a relative s = 2^-10 of random
sign, C = |y(changed) - y| / s, the largest of three tries and of all logits. Both
sides round, hence

  |computed - expected| <= 2 n u (max |y| + C)
"""

import concurrent.futures
import functools
import io
import json
import os
import pathlib
import tarfile

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

from support import call, run, stored_names

ARCHIVE = pathlib.Path(__file__).parents[1] / "exports/exports.tar.xz"
UNIT_ROUNDOFF = 2.0**-24
CHANGE = 2.0**-10
TRIES = 3
STEPS = 20

# Exports that do not import or train, and why.
FAILING = {}

# Where nothing in the file tells a parameter from a table, compiling asks; the answers.
ANSWERS = {
    "nanogpt-ts17-sdpa-loss": ["--train", "onnx::Add_*"],
    "nanogpt-ts20-eager-defaults": ["--train", "onnx::Add_*"],
    "vit-ts14-sdpa-dyn": ["--train", "vit.embeddings.*"],
    "vit-ts17-eager-loss": ["--train", "vit.embeddings.*"],
}

# ------------------------------------------------------------------------------
# The set
# ------------------------------------------------------------------------------


@functools.cache
def archive():
    """The contents of all files, by NAME/FILE."""
    with tarfile.open(ARCHIVE) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}


class Export:
    def __init__(self, name):
        self.name = name
        self.meta = json.loads(archive()[f"{name}/meta.json"])
        arrays = np.load(io.BytesIO(archive()[f"{name}/expected.npz"]))
        self.inputs = {key[3:]: arrays[key] for key in arrays if key.startswith("in.")}
        self.outputs = {key[4:]: arrays[key] for key in arrays if key.startswith("out.")}
        self.result = next(key for key in self.outputs if key != "loss")

    @functools.cached_property
    def model(self):
        return onnx.load_from_string(archive()[f"{self.name}/model.onnx"])

    @property
    def is_decoder(self):
        return self.meta["kind"] == "decoder"

    def options(self):
        """What the command line has to say."""
        batch, *sizes = next(iter(self.inputs.values())).shape
        seq = ["--seq", sizes[0]] if len(sizes) == 1 else []
        return [*(["--batch", batch, *seq] if self.meta["dynamic"] else []), *ANSWERS.get(self.name, [])]

    def groups(self):
        """Parameters' names; tied ones are one parameter."""
        tied = {names[0]: names for names in self.meta["tied"]}
        return [set(tied.get(name, [name])) for name in self.meta["parameters"]]

    def targets(self):
        """Of a loss that the graph does not have: next tokens, or any classes."""
        *rows, classes = self.outputs[self.result].shape
        if self.is_decoder:
            return np.roll(next(iter(self.inputs.values())), -1, 1)
        return np.random.default_rng(2).integers(0, classes, rows)

    # --- what onnxruntime says ---

    def session(self, model):
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.log_severity_level, options.intra_op_num_threads = 4, 1
        return onnxruntime.InferenceSession(model.SerializeToString(), options)

    def evaluate(self, model):
        session = self.session(model)
        names = [output.name for output in session.get_outputs()]
        return dict(zip(names, session.run(None, {i.name: self.inputs[i.name] for i in session.get_inputs()})))

    def reference(self):
        """Results of onnxruntime, or where it refuses the file, PyTorch's."""
        runs = isinstance(self.meta["onnxruntime"], float)
        return self.evaluate(self.model) if runs else self.outputs

    def tolerance(self):
        expected = self.outputs[self.result]
        terms = max(size for shape in self.meta["parameters"].values() for size in shape)
        bound = 2 * (16 + terms) * UNIT_ROUNDOFF
        if not isinstance(self.meta["onnxruntime"], float):
            return bound * 17 * np.abs(expected).max()  # C of all others is at most 15 max |y|
        random, spread = np.random.default_rng(1), 0.0
        for _ in range(TRIES):
            changed = onnx.ModelProto()
            changed.CopyFrom(self.model)
            for tensor in changed.graph.initializer:
                if self.meta["initializers"].get(tensor.name):
                    value = numpy_helper.to_array(tensor)
                    value = value * (1 + CHANGE * random.choice([-1, 1], value.shape)).astype(value.dtype)
                    tensor.CopyFrom(numpy_helper.from_array(value, tensor.name))
            spread = max(spread, np.abs(self.evaluate(changed)[self.result] - expected).max())
        return bound * (np.abs(expected).max() + spread / CHANGE)


NAMES = sorted({name.partition("/")[0] for name in archive()})
DECODERS = [name for name in NAMES if Export(name).is_decoder]

# ------------------------------------------------------------------------------
# Programs
# ------------------------------------------------------------------------------


class Made:
    """What becomes of an export with a recipe: a program, what it computes, a run."""

    def __init__(self, name, recipe, folder):
        self.export, self.folder = Export(name), folder / f"{name}-{recipe}"
        self.folder.mkdir()
        model, self.program = self.folder / "model.onnx", self.folder / "program.fp8x"
        model.write_bytes(archive()[f"{name}/model.onnx"])
        options = ["--recipe", recipe, "--host-opt", 0, *self.export.options()]
        self.said = run("fp8c", "compile", model, "-o", self.program, *options)
        self.manifest = json.loads((self.program / "manifest.json").read_text())
        self.results = self.call() if recipe == "f32" else None
        self.losses = self.train() if self.export.is_decoder else None

    def call(self):
        functions = self.manifest["functions"]
        given = {**self.export.inputs, "targets": self.export.targets()}
        names = {i["name"] for function in ("forward", "micro") for i in functions[function]["inputs"]}
        return call(self.program, "forward,micro", {n: given[n] for n in names if n in given}, folder=self.folder)

    def train(self):
        """Losses of some steps on a text that repeats itself."""
        tokens = np.tile(np.random.default_rng(0).permutation(np.arange(4, self.export.meta["vocab"]))[:11], 40)
        tokens.astype("<u2").tofile(self.folder / "tokens.bin")
        options = ["--steps", STEPS, "--lr", 1e-2, "--warmup", 1, "--eval-every", 0, "--checkpoint-every", -1]
        run("fp8c-run", "train", self.program, "--data", self.folder / "tokens.bin", "--out", self.folder / "run", *options)
        lines = map(json.loads, (self.folder / "run/metrics.jsonl").read_text().splitlines())
        return [line["loss"] for line in lines if "loss" in line]

    def trained(self):
        return stored_names(self.program, "parameter")


@pytest.fixture(scope="module")
def made(request, tmp_path_factory):
    """A way to ask for programs; those that will be asked for are made meanwhile."""
    folder = tmp_path_factory.mktemp("exports")
    pool = concurrent.futures.ThreadPoolExecutor(os.cpu_count())
    specs = [getattr(item, "callspec", None) for item in request.session.items if item.path == request.path]
    asked = dict.fromkeys((s.params["name"], s.params.get("recipe", "f32")) for s in specs if s and "name" in s.params)
    futures = {key: pool.submit(Made, *key, folder) for key in asked if key[0] not in FAILING}
    yield lambda name, recipe="f32": futures[name, recipe].result()
    pool.shutdown(cancel_futures=True)


def expected_to_work(names):
    return [name for name in names if name not in FAILING]


# ------------------------------------------------------------------------------
# Tests
# ------------------------------------------------------------------------------


def test_the_set_is_what_was_promised():
    families = {Export(name).meta["family"] for name in NAMES}
    assert len(NAMES) >= 60 and len(families) == 13 and len(FAILING) <= 3
    assert families == {Export(name).meta["family"] for name in expected_to_work(NAMES)}


@pytest.mark.parametrize("name", expected_to_work(NAMES))
def test_export(made, name):
    """Logits, loss and the choice of parameters."""
    export, done = Export(name), made(name)
    computed, expected = done.results[export.result], export.outputs[export.result]
    assert computed.shape == expected.shape
    assert np.abs(computed - expected).max() <= export.tolerance()
    assert done.results["loss"] == pytest.approx(first_loss(export), rel=1e-5)
    check_trained(export, done.trained())


def first_loss(export):
    """The graph's own, or the cross-entropy of its logits."""
    reference = export.reference()
    if "loss" in reference:
        return float(reference["loss"])
    logits = reference[export.result].astype(np.float64)
    logits -= np.log(np.exp(logits).sum(-1, keepdims=True))
    return float(-np.take_along_axis(logits, export.targets()[..., None], -1).mean())


def check_trained(export, trained):
    """Every variable is a parameter and every parameter one variable. Without
    metadata a variable may be called as the file's tensor."""
    held, groups = export.meta["initializers"], export.groups()
    gone = set(export.meta["absent"])
    if export.meta["exporter"] == "dynamo":
        owners = {name: [i for i, names in enumerate(groups) if name in names] for name in trained}
    else:
        of = {name: i for i, names in enumerate(groups) for name in names}
        owners = {name: [of[name]] if name in of else [of[p] for p in held.get(name, [])] for name in trained}
    assert not [name for name, owner in owners.items() if not owner], "trained, but no parameters"
    seen = [owner[0] for owner in owners.values()]
    assert len(set(seen)) == len(seen), "two variables are one parameter"
    left = [names for i, names in enumerate(groups) if i not in seen and not names & gone]
    assert not left, "parameters, but not trained"


@pytest.mark.parametrize("recipe", ["f32", "fp8-delayed"])
@pytest.mark.parametrize("name", expected_to_work(DECODERS))
def test_decoders_train(made, name, recipe):
    losses = made(name, recipe).losses
    assert len(losses) == STEPS and np.isfinite(losses).all()
    assert np.mean(losses[-3:]) < losses[0] - 0.5


@pytest.mark.parametrize("name", FAILING)
def test_failing_ones_still_fail(name, tmp_path):
    with pytest.raises(AssertionError):
        Made(name, "f32", tmp_path)
