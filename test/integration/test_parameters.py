"""Parameter or constant, which parameters are one, and what inputs are for: by what the
file says and what the graph does. The exports of test_exports.py have what PyTorch
writes; here are the rules one by one, in graphs of a few nodes."""

import json
import re
import shlex
import subprocess

import numpy as np
import onnx
import pytest
from onnx import helper

from support import BIN, Graph, call, compile_model, refuses, run, run_measured, save, write_safetensors

RNG = np.random.default_rng(1)
VOCAB, WIDTH, BATCH, SEQ = 11, 8, 2, 6


def some(*shape):
    return RNG.standard_normal(shape, np.float32)


def waves(positions=SEQ, dim=4):
    angles = np.arange(positions)[:, None] / 100 ** (np.arange(dim) / dim)
    return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)


class Model:
    """Tokens, a table, a head; `build(model, x)` is what stands between."""

    def __init__(self, build, **options):
        self.graph = Graph()
        tokens = self.graph.input("tokens", np.int64, ["batch", SEQ])
        x = self.graph.op("Gather", self.parameter("wte.weight", some(VOCAB, WIDTH)), tokens)
        x = build(self, x) or x
        logits = self.graph.op("MatMul", x, self.parameter("head.weight", some(WIDTH, VOCAB)))
        self.proto = self.graph.model({logits: None}, **options)

    def __getattr__(self, name):
        return getattr(self.graph, name)

    def parameter(self, name, value):
        return self.graph.initializer(name, value)


def train_ir(model, path, *options, status=0):
    done = subprocess.run(
        [BIN / "fp8c", "compile", save(model, path / "model.onnx"), "--batch", str(BATCH), "--emit=train", *map(str, options)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == status, done.stderr
    return done.stdout, done.stderr


def variables(text):
    """Role and name of each variable."""
    found = re.findall(r'train\.variable @"?([^" ]+)"? : .*role<(\w+)>', text)
    return {name: role for name, role in found}


# ------------------------------------------------------------------------------
# Rules
# ------------------------------------------------------------------------------


def scores(model, x):
    return model.op("MatMul", x, model.op("Transpose", x, perm=[0, 2, 1]))


def add_scores(value):
    def build(model, x):
        s = model.op("Add", scores(model, x), model.initializer("t", value))
        return model.op("MatMul", model.op("Softmax", s), x)

    return build


def rotated(value):
    def build(model, x):
        return model.op("Mul", x, model.op("Gather", model.initializer("t", value), model.constant(np.arange(SEQ))))

    return build


def normed(model, x, weight, bias=None):
    mean = model.op("ReduceMean", x, model.constant(np.array([-1])))
    centred = model.op("Sub", x, mean)
    variance = model.op("ReduceMean", model.op("Mul", centred, centred), model.constant(np.array([-1])))
    root = model.op("Sqrt", model.op("Add", variance, model.constant(np.float32(1e-5))))
    y = model.op("Mul", model.op("Div", centred, root), model.initializer(weight, some(WIDTH)))
    return model.op("Add", y, model.initializer(bias, some(WIDTH))) if bias else y


def decomposed_rms(model, x):
    mean = model.op("ReduceMean", model.op("Pow", x, model.constant(np.float32(2))), model.constant(np.array([-1])))
    inverse = model.op("Reciprocal", model.op("Sqrt", model.op("Add", mean, model.constant(np.float32(1e-5)))))
    return model.op("Mul", model.initializer("t", some(WIDTH)), model.op("Mul", x, inverse))


def unfold(model, x):  # through Concat and Transpose of weights
    w = model.op("Concat", model.initializer("t", some(WIDTH, WIDTH)), model.initializer("u", some(WIDTH, WIDTH)), axis=1)
    return model.op("MatMul", model.op("MatMul", x, w), model.op("Transpose", w, perm=[1, 0]))


MASK = np.triu(np.full((SEQ, SEQ), -1e9, np.float32), 1)
RULES = {
    # what is trained ...
    "factor": ("parameter", lambda m, x: m.op("MatMul", x, m.initializer("t", some(WIDTH, WIDTH)))),
    "factor through views": ("parameter", unfold),
    "bias": ("parameter", lambda m, x: m.op("Add", m.initializer("t", some(WIDTH)), m.op("MatMul", x, m.initializer("u", some(WIDTH, WIDTH))))),
    "table of positions": ("parameter", lambda m, x: m.op("Add", x, m.op("Gather", m.initializer("t", some(SEQ, WIDTH)), m.constant(np.arange(SEQ))))),
    "norm": ("parameter", lambda m, x: m.op("LayerNormalization", x, m.initializer("t", some(WIDTH)), m.initializer("u", some(WIDTH)))),
    "norm in parts": ("parameter", lambda m, x: normed(m, x, "t")),
    "bias of a norm in parts": ("parameter", lambda m, x: normed(m, x, "u", "t")),
    "rms norm in parts": ("parameter", decomposed_rms),
    "number with a name": ("parameter", lambda m, x: m.op("Mul", x, m.initializer("h.0.t", np.float32(2)))),
    # ... what is not ...
    "number without": ("constant", lambda m, x: m.op("Mul", x, m.initializer("t", np.float32(2)))),
    "mask": ("constant", add_scores(MASK)),
    "mask of -inf": ("constant", add_scores(np.where(MASK < 0, -np.inf, 0).astype(np.float32))),
    "cosines": ("constant", rotated(np.tile(waves()[0], 2))),
    "sines": ("constant", rotated(np.tile(waves()[1], 2))),
    "angles": ("constant", lambda m, x: m.op("Mul", x, m.op("Cos", m.op("Mul", m.initializer("t", some(WIDTH)), m.constant(np.arange(SEQ, dtype=np.float32)[:, None]))))),
    "condition": ("constant", lambda m, x: m.op("Where", m.op("Equal", m.initializer("t", np.float32([0, 1] * (WIDTH // 2))), m.constant(np.float32(0))), x, m.op("Neg", x))),
    "statistics": ("constant", lambda m, x: m.op("Transpose", m.op("BatchNormalization", m.op("Transpose", x, perm=[0, 2, 1]), m.initializer("a", some(WIDTH)), m.initializer("b", some(WIDTH)), m.initializer("t", some(WIDTH)), m.initializer("v", np.abs(some(WIDTH)))), perm=[0, 2, 1])),
    # ... and what cannot be told.
    "added to scores": ("undecided", add_scores(some(SEQ, SEQ))),
    "added to activations": ("undecided", lambda m, x: m.op("Add", x, m.initializer("t", some(SEQ, WIDTH)))),
    "multiplied": ("undecided", lambda m, x: m.op("Mul", x, m.initializer("t", some(WIDTH)))),
}


@pytest.mark.parametrize("rule", RULES)
def test_rule(rule, tmp_path):
    kind, build = RULES[rule]
    model = Model(build).proto
    text, errors = train_ir(model, tmp_path)
    found = {name for name, role in variables(text).items() if name.endswith("t") and len(name) < 8}
    assert bool(found) == (kind == "parameter"), text
    assert ("warning" in errors) == (kind == "undecided"), errors
    if kind != "undecided":
        return
    # Training wants to know. What the error says can be pasted.
    said = refuses("fp8c", "compile", tmp_path / "model.onnx", "--batch", BATCH, "-o", "out.fp8x", folder=tmp_path, says="'t'")
    for option in (shlex.split(said.split("such as ")[1]), ["--train", "t"], ["--freeze", "t"]):
        text, errors = train_ir(model, tmp_path, *option)
        assert ("t" in variables(text)) == (option[0] == "--train") and not errors


def test_slopes_are_likely_constant(tmp_path):
    """Biases of ALiBi grow evenly."""
    slopes = -np.abs(np.subtract.outer(np.arange(SEQ), np.arange(SEQ))).astype(np.float32)[-1:] * 0.25
    _, errors = train_ir(Model(add_scores(slopes)).proto, tmp_path)
    assert "--freeze 't'" in errors


# ------------------------------------------------------------------------------
# Requests
# ------------------------------------------------------------------------------


def lora(model, x):
    for layer in range(2):
        base = model.op("MatMul", x, model.initializer(f"h.{layer}.weight", some(WIDTH, WIDTH)))
        down = model.op("MatMul", x, model.initializer(f"h.{layer}.lora_A", some(WIDTH, 2)))
        x = model.op("Add", base, model.op("MatMul", down, model.initializer(f"h.{layer}.lora_B", some(2, WIDTH))))
    return x


REQUESTS = [
    ([], lambda n: True),
    (["--freeze", "*"], lambda n: False),
    (["--freeze", "*", "--train", "*lora*"], lambda n: "lora" in n),
    (["--train", "*lora*", "--freeze", "*"], lambda n: False),
    (["--freeze", "{wte,head}.weight"], lambda n: n.startswith("h.")),
    (["--freeze", "h.[0]*"], lambda n: not n.startswith("h.0")),
    (["--freeze", "*", "--train", "h.1*", "--freeze", "*_A"], lambda n: n.startswith("h.1") and not n.endswith("_A")),
]


@pytest.mark.parametrize("options, trains", REQUESTS)
def test_patterns(options, trains, tmp_path):
    text, _ = train_ir(Model(lora).proto, tmp_path, *options)
    found = variables(text)
    assert len(found) == 8
    assert found == {name: "parameter" if trains(name) else "frozen" for name in found}


def test_keys_of_a_file(tmp_path):
    model = Model(RULES["added to scores"][1]).proto
    write_safetensors(tmp_path / "weights.safetensors", {"t": some(SEQ, SEQ), "other": some(1)})
    text, errors = train_ir(model, tmp_path, "--params", tmp_path / "weights.safetensors")
    assert "t" in variables(text) and not errors


def test_lora_trains_its_adapters_alone(tmp_path):
    """The list says so, and the program has no gradient, moment or update of the rest."""
    model = Model(lora).proto
    # An adapter that starts at 0 is no splat that could be taken for another.
    for tensor in model.graph.initializer:
        if tensor.name.endswith("_B"):
            tensor.CopyFrom(onnx.numpy_helper.from_array(np.zeros((2, WIDTH), np.float32), tensor.name))
    path, program = save(model, tmp_path / "lora.onnx"), tmp_path / "lora.fp8x"
    said = run("fp8c", "compile", path, "--batch", BATCH, "--freeze", "*", "--train", "*lora*", "--recipe", "fp8-delayed", "--host-opt", 0, "-o", program)
    assert re.search(r"trains 4 tensors of 64 elements, 4 are frozen", said), said
    manifest = json.loads((program / "manifest.json").read_text())
    owned = {v["name"].rsplit(".", 1)[0] for v in manifest["variables"] if v["role"] in ("gradient", "moment1", "moment2")}
    assert owned == {f"h.{layer}.lora_{m}" for layer in range(2) for m in "AB"}
    np.arange(4096, dtype=np.uint16).__mod__(VOCAB).astype(np.uint16).tofile(tmp_path / "tokens.bin")
    said = run("fp8c-run", "train", program, "--data", tmp_path / "tokens.bin", "--steps", 30, "--lr", "1e-2", "--log-every", 1, "--out", tmp_path / "run")
    losses = [float(value) for value in re.findall(r"loss\s+([0-9.]+)", said)]
    assert losses[-1] < losses[0]


BAD_REQUESTS = [
    (["--train", "[a"], "--train"),
    (["--params", "nothing.safetensors"], "nothing.safetensors"),
    (["--dim", "batch"], "'batch' is not NAME=VALUE"),
    (["--dim", "seq=x"], "gives no size"),
    (["--dim", "no=3"], "no input or output has a dimension 'no'"),
    (["--input", "tokens=words"], "there is no role 'words'"),
    (["--input", "mask=mask"], "the model has no input 'mask'"),
    (["--freeze", "*"], "depends on no parameter that is trained"),
]


@pytest.mark.parametrize("options, says", BAD_REQUESTS)
def test_bad_requests(options, says, tmp_path):
    path = save(Model(lora).proto, tmp_path / "model.onnx")
    done = subprocess.run([BIN / "fp8c", "compile", path, "--batch", "2", "-o", tmp_path / "o.fp8x", *options], capture_output=True, text=True)
    assert done.returncode != 0 and says in done.stderr, done.stderr
    assert not (tmp_path / "o.fp8x").exists()


# ------------------------------------------------------------------------------
# Which parameters are one
# ------------------------------------------------------------------------------


def two_layers(model, x, first, second):
    x = model.op("MatMul", x, model.initializer("a.weight", first))
    return model.op("MatMul", x, model.initializer("b.weight", second))


SQUARE, WIDE = some(WIDTH, WIDTH), some(WIDTH, 64)
TIES = {
    "equal": (SQUARE, SQUARE.copy(), True),
    "transposed square": (SQUARE, SQUARE.T.copy(), True),
    "transposed": (WIDE, WIDE.T.copy(), True),
    "almost": (WIDE, np.where(np.arange(WIDE.size).reshape(WIDE.shape) == 77, 0, WIDE).astype(np.float32).T.copy(), False),
    "zeros": (np.zeros((WIDTH, WIDTH)), np.zeros((WIDTH, WIDTH)), False),
}


@pytest.mark.parametrize("case", TIES)
@pytest.mark.parametrize("external", [False, True])
def test_ties(case, external, tmp_path):
    first, second, tied = TIES[case]
    model = Model(lambda m, x: two_layers(m, x, first, second)).proto
    onnx.save(model, tmp_path / "model.onnx", save_as_external_data=external, location="data.bin", size_threshold=0)
    text = run("fp8c", "compile", tmp_path / "model.onnx", "--batch", BATCH, "--emit=train")
    assert ("b.weight" in variables(text)) != tied and "a.weight" in variables(text)


def test_merged_vectors(tmp_path):
    """One vector for all: a variable for each module that reads it. Matrices stay one."""

    def build(model, x):
        weight, bias, matrix = (model.initializer(f"h.0.ln.{n}", v) for n, v in (("weight", np.ones(WIDTH)), ("bias", np.zeros(WIDTH)), ("proj", SQUARE)))
        for layer in range(3):
            x = model.op("LayerNormalization", x, weight, bias)
            model.nodes[-1].name = f"/h.{layer}/ln/LayerNormalization"
            x = model.op("MatMul", x, matrix)
            model.nodes[-1].name = f"/h.{layer}/proj/MatMul"
        copy = model.op("Identity", weight)
        model.nodes[-1].output[0] = "ln_f.weight"
        x = model.op("LayerNormalization", x, "ln_f.weight")
        model.nodes[-1].name = "/ln_f/LayerNormalization"
        return x

    text, _ = train_ir(Model(build).proto, tmp_path)
    expected = {f"h.{layer}.ln.{kind}" for layer in range(3) for kind in ("weight", "bias")}
    assert variables(text).keys() == expected | {"wte.weight", "head.weight", "h.0.ln.proj", "ln_f.weight"}


def test_large_matrices_are_left_alone(tmp_path):
    """Nothing of them is read while importing, whether modules are known or not: 2 GiB
    take no more memory than a small model."""
    rows, layers = 1 << 14, 8
    graph = Graph()
    tokens = graph.input("tokens", np.int64, ["batch", SEQ])
    x = graph.op("Gather", graph.initializer("wte.weight", some(VOCAB, 1 << 12)), tokens)
    for layer in range(layers):
        shape = [1 << 12, rows] if layer % 2 == 0 else [rows, 1 << 12]
        tensor = onnx.TensorProto(name=f"h.{layer}.weight", data_type=onnx.TensorProto.FLOAT, dims=shape, data_location=onnx.TensorProto.EXTERNAL)
        for key, value in {"location": "data.bin", "offset": layer << 28, "length": 1 << 28}.items():
            tensor.external_data.add(key=key, value=str(value))
        graph.initializers.append(tensor)
        x = graph.op("MatMul", x, tensor.name)
        graph.nodes[-1].name = f"/h.{layer}/MatMul"
    with open(tmp_path / "data.bin", "wb") as file:
        file.truncate(layers << 28)  # without blocks on the disk
    path = save(graph.model({x: None}), tmp_path / "model.onnx")
    text, peak = run_measured("fp8c", "compile", path, "--batch", "1", "--emit=train")
    assert len(variables(text)) == layers + 1
    assert peak < 150 << 20


def test_gradients_of_a_tied_head(tmp_path):
    """Table and head, the second a transposed copy: one gradient, the sum of both uses."""
    table = some(VOCAB, WIDTH)

    def graph(tied):
        g = Graph()
        tokens = g.input("tokens", np.int64, ["batch", SEQ])
        x = g.op("Gather", g.initializer("wte.weight", table), tokens)
        x = g.op("LayerNormalization", x, g.initializer("n", 1 + 0.1 * some(WIDTH)))
        # Of the untied one the head differs in the last bit of an element.
        head = table.T.copy()
        if not tied:
            head[0, 0] = np.nextafter(head[0, 0], np.float32(9))
        return g.model({g.op("MatMul", x, g.initializer("head.weight", head)): None})

    gradients = {}
    global RNG
    for tied in (True, False):
        RNG = np.random.default_rng(7)
        program = compile_model(save(graph(tied), tmp_path / f"{tied}.onnx"), tmp_path / f"{tied}.fp8x", "--batch", BATCH, "--recipe", "f32")
        ids = np.random.default_rng(2).integers(0, VOCAB, (BATCH, SEQ))
        gradients[tied] = call(program, "micro", {"tokens": ids, "targets": ids[:, ::-1].copy()}, folder=tmp_path)
    both = gradients[False]["wte.weight.grad"] + gradients[False]["head.weight.grad"].T
    np.testing.assert_allclose(gradients[True]["wte.weight.grad"], both, rtol=1e-4, atol=1e-6)


# ------------------------------------------------------------------------------
# Roles of inputs
# ------------------------------------------------------------------------------


def roles_model(extra=(), ids=np.int64, loss=None, ignored=-100):
    """A causal model of `ids` with further inputs; the loss may stand in the graph."""
    g = Graph()
    tokens = g.input("x.1", ids, ["b", "s"])
    x = g.op("Gather", g.initializer("wte.weight", some(VOCAB, WIDTH)), tokens)
    if "positions" in extra:
        where = g.input("x.2", np.int64, ["b", "s"]) if "by structure" not in extra else None
        x = g.op("Add", x, g.op("Gather", g.initializer("wpe.weight", some(16, WIDTH)), g.input("position_ids", np.int64, ["b", "s"]))) if where is None else x
    if "segments" in extra:
        x = g.op("Add", x, g.op("Gather", g.initializer("type.weight", some(2, WIDTH)), g.input("token_type_ids", np.int64, ["b", "s"])))
    s = g.op("Add", scores(g, x), g.constant(np.triu(np.full((SEQ, SEQ), -np.inf, np.float32), 1)))
    if "mask" in extra:
        seen = g.op("Cast", g.input("attention_mask", np.int64, ["b", "s"]), to=onnx.TensorProto.FLOAT)
        hidden = g.op("Mul", g.op("Sub", g.constant(np.float32(1)), seen), g.constant(np.float32(-1e9)))
        s = g.op("Add", s, g.op("Unsqueeze", hidden, g.constant(np.array([1]))))
    x = g.op("MatMul", g.op("Softmax", s), x)
    logits = g.op("MatMul", x, g.initializer("head.weight", some(WIDTH, VOCAB)))
    if loss is None:
        return g.model({logits: None})
    labels = g.input("y", np.int64, ["b", "s"])
    if loss == "shifted":
        labels = g.op("Slice", g.op("Pad", labels, g.constant(np.array([0, 0, 0, 1])), g.op("Constant", value_int=ignored)), g.constant(np.array([1])), g.constant(np.array([SEQ + 1])), g.constant(np.array([1])))
    flat = g.op("Reshape", logits, g.constant(np.array([-1, VOCAB])))
    value = g.op("SoftmaxCrossEntropyLoss", flat, g.op("Reshape", labels, g.constant(np.array([-1]))), ignore_index=ignored)
    return g.model({value: [], logits: None})


INPUTS = [
    ({}, {"x.1": "tokens"}),
    ({"ids": np.int32}, {"x.1": "tokens"}),
    ({"extra": ["mask"]}, {"x.1": "tokens"}),
    ({"extra": ["positions", "by structure"]}, {"x.1": "tokens"}),
    ({"extra": ["positions", "by structure", "segments", "mask"]}, {"x.1": "tokens"}),
    ({"loss": "plain"}, {"x.1": "tokens", "y": "labels_next"}),
    ({"loss": "shifted"}, {"x.1": "tokens", "y": "labels_tokens"}),
    ({"loss": "plain", "extra": ["mask", "segments"]}, {"x.1": "tokens", "y": "labels_next"}),
]


@pytest.mark.parametrize("options, expected", INPUTS)
def test_inputs(options, expected, tmp_path):
    path = save(roles_model(**options), tmp_path / "model.onnx")
    text = run("fp8c", "compile", path, "--batch", BATCH, "--seq", SEQ, "--emit=train")
    header = re.search(r"func\.func @forward\((.*?)\) ->", text).group(1)
    found = {}
    for argument in re.findall(r"\{([^}]*)\}", header):
        name = re.search(r'fp8\.name = "([^"]*)"', argument).group(1)
        role = re.search(r"#train\.input<(\w+)>", argument)
        found[name] = role and role.group(1)
    assert found == expected and ("i64" in header) and "xi32>" not in header


@pytest.mark.parametrize("loss", ["plain", "shifted"])
@pytest.mark.parametrize("ignored", [-100, 5])
def test_labels_are_bounded(loss, ignored, tmp_path):
    """What the runtime checks labels against is found behind whatever moves them."""
    path = save(roles_model(loss=loss, ignored=ignored), tmp_path / "model.onnx")
    text = run("fp8c", "compile", path, "--batch", BATCH, "--seq", SEQ, "--recipe", "f32", "--emit=grad")
    labels = re.search(r'func\.func @micro\(.*?\{([^{}]*fp8\.name = "y"[^{}]*)\}', text).group(1)
    assert f"train.ids = {VOCAB} : i64" in labels
    assert ("train.ignore_index = 5" in labels) == (ignored == 5)


def test_padding(tmp_path):
    """With --pad the mask is computed: what is padding changes nothing before it."""
    path = save(roles_model(["mask"]), tmp_path / "model.onnx")
    program = compile_model(path, tmp_path / "p.fp8x", "--batch", BATCH, "--seq", SEQ, "--recipe", "f32", "--pad", 3, "--forward-only")
    ids = np.random.default_rng(3).integers(4, VOCAB, (BATCH, SEQ))
    outputs = []
    for pad in ([], [0], [0, 2]):
        padded = ids.copy()
        padded[:, pad] = 3
        out = call(program, "forward", {"x.1": padded}, folder=tmp_path)
        outputs.append(next(iter(out.values())))
    # Of a row whose only visible token is itself nothing changes but by the tokens hidden.
    assert not np.allclose(outputs[0][:, 1], outputs[1][:, 1])
    assert np.allclose(outputs[1][:, 1], outputs[2][:, 1])


def test_open_dimensions(tmp_path):
    g = Graph()
    x = g.input("x", np.float32, ["rows", "width"])
    path = save(g.model({g.op("Tanh", x): None}), tmp_path / "m.onnx")
    said = refuses("fp8c", "compile", path, "--emit=train", "-o", "o.fp8x", folder=tmp_path, says=["'width'", "--dim width=SIZE"])
    assert "'rows'" in said
    text = run("fp8c", "compile", path, "--emit=train", "--dim", "rows=3", "--dim", "width=5")
    assert "tensor<3x5xf32>" in text
