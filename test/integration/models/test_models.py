"""`fp8c model` writes standard ONNX files, checked with onnx's own tools.

The tool is the environment's FP8C, else build/release/bin/fp8c:

    pip install -r test/requirements.txt
    pytest test/integration/models
"""

import os
import pathlib
import signal
import subprocess
import time

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator

import forward

FP8C = os.environ.get(
    "FP8C", pathlib.Path(__file__).parents[3] / "build/release/bin/fp8c"
)
LAYERS, WIDTH, HEADS, KV_HEADS, VOCAB, SEQ = 2, 32, 4, 2, 50, 8
TINY = f"--layers {LAYERS} --d-model {WIDTH} --heads {HEADS} --vocab {VOCAB} --seq {SEQ}"
LAYER = 12 * WIDTH**2 + 13 * WIDTH  # of GPT-2, by hand from the sizes above
EMBEDDING, TABLES = VOCAB * WIDTH, (VOCAB + SEQ) * WIDTH
SWIGLU = 3 * WIDTH * 64  # three matrices; 8/3 of 32 is nearest 64
GROUPED = {"kv_heads": "2", "ffn": "64", "mlp": "swiglu"}
# name: its command line; its parameters; what its metadata say that is not GPT-2's
MODELS = {
    "gpt2": (f"gpt2 {TINY}", 2 * LAYER + 2 * WIDTH + TABLES, {}),
    "gpt3": (f"gpt3 {TINY}", 2 * LAYER + 2 * WIDTH + TABLES, {}),
    "gpt2-swiglu": (
        f"gpt2 {TINY} --mlp swiglu --untied",
        2 * (LAYER - 8 * WIDTH**2 - 5 * WIDTH + SWIGLU + 2 * 64 + WIDTH) + 2 * WIDTH + TABLES + EMBEDDING,
        {"mlp": "swiglu", "ffn": "64", "tied": "false"},
    ),
    "llama": (
        f"llama {TINY} --kv-heads {KV_HEADS}",
        2 * (3 * WIDTH**2 + SWIGLU + 2 * WIDTH) + WIDTH + 2 * EMBEDDING,
        {**GROUPED, "tied": "false"},
    ),
    "llama-tied": (
        f"llama {TINY} --kv-heads {KV_HEADS} --tied",
        2 * (3 * WIDTH**2 + SWIGLU + 2 * WIDTH) + WIDTH + EMBEDDING,
        GROUPED,
    ),
    "qwen": (  # four heads of 6 in a width of 32
        f"qwen {TINY} --kv-heads {KV_HEADS} --head-dim 6",
        2 * (WIDTH * (2 * 24 + 2 * 12) + 2 * 6 + SWIGLU + 2 * WIDTH) + WIDTH + EMBEDDING,
        {**GROUPED, "head_dim": "6"},
    ),
    "qwen-untied": (
        f"qwen {TINY} --untied",
        2 * (4 * WIDTH**2 + 2 * 8 + SWIGLU + 2 * WIDTH) + WIDTH + 2 * EMBEDDING,
        {**GROUPED, "kv_heads": "4", "tied": "false"},
    ),
}
FAMILIES = {name: command for name, (command, _, _) in MODELS.items()}
PARAMETERS = {name: count for name, (_, count, _) in MODELS.items()}
STORAGE = ["--weights", "--external-data", "--no-weights"]


def run(command, check=True):
    return subprocess.run(
        [FP8C, "model", *map(str, command)], check=check, capture_output=True, text=True
    )


@pytest.fixture
def write(tmp_path):
    """Writes the model that a command line describes, and gives its path."""

    def write(command, name="m.onnx"):
        path = tmp_path / name
        run([*command.split(), "-o", path])
        return path

    return write


def is_parameter(name):
    """All but the rotary tables and the shapes that constants are made with."""
    return name.endswith((".weight", ".bias"))


def parameter_shapes(model):
    """The shape of every parameter, stored or drawn by a node."""
    stored = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    shapes = {name: t.shape for name, t in stored.items() if is_parameter(name)}
    for node in model.graph.node:
        if node.op_type == "RandomNormal":
            (shape,) = (a.ints for a in node.attribute if a.name == "shape")
            shapes[node.output[0]] = tuple(shape)
        elif node.op_type == "ConstantOfShape":
            shapes[node.output[0]] = tuple(int(d) for d in stored[node.input[0]])
    return shapes


def count_parameters(model):
    return sum(int(np.prod(shape)) for shape in parameter_shapes(model).values())


def random_tokens(batch):
    return np.random.default_rng(0).integers(0, VOCAB, (batch, SEQ))


@pytest.mark.parametrize("storage", STORAGE)
@pytest.mark.parametrize("family", FAMILIES)
class TestEveryModel:
    def test_passes_the_checker(self, write, family, storage):
        path = write(f"{FAMILIES[family]} {storage}")
        onnx.checker.check_model(path, full_check=True)

    def test_says_what_it_is(self, write, family, storage):
        model = onnx.load(write(f"{FAMILIES[family]} {storage} --seed 3"))
        assert model.producer_name == "fp8c"
        assert [(o.domain, o.version) for o in model.opset_import] == [("", 23)]
        assert model.ir_version == 11
        expected = {
            "family": family.split("-")[0],
            "layers": "2",
            "d_model": "32",
            "heads": "4",
            "kv_heads": "4",
            "head_dim": "8",
            "mlp": "gelu",
            "ffn": "128",
            "vocab": "50",
            "tied": "true",
            "seq": "8",
            "seed": "3",
            "parameters": str(PARAMETERS[family]),
            **MODELS[family][2],
        }
        found = {p.key: p.value for p in model.metadata_props}
        assert found == {f"fp8c.{key}": value for key, value in expected.items()}

    def test_has_the_parameters_of_its_sizes(self, write, family, storage):
        model = onnx.load(write(f"{FAMILIES[family]} {storage}"))
        assert count_parameters(model) == PARAMETERS[family]

    def test_takes_any_batch(self, write, family, storage):
        evaluator = ReferenceEvaluator(str(write(f"{FAMILIES[family]} {storage}")))
        for batch in (1, 3):
            (logits,) = evaluator.run(None, {"tokens": random_tokens(batch)})
            assert logits.shape == (batch, SEQ, VOCAB)
            assert logits.dtype == np.float32
            assert np.isfinite(logits).all()

    def test_names_are_unique_and_values_follow_them(self, write, family, storage):
        graph = onnx.load(write(f"{FAMILIES[family]} {storage}")).graph
        names = [node.name for node in graph.node]
        values = [value for node in graph.node for value in node.output]
        values += [t.name for t in graph.initializer] + ["tokens"]
        assert len(set(names)) == len(names)
        assert len(set(values)) == len(values)
        odd = {
            (node.name, tuple(node.output))
            for node in graph.node
            if list(node.output) != [node.name.removesuffix(".init")]
        }
        expected = {("lm_head", ("logits",))}
        if family.startswith("gpt"):
            swiglu = family == "gpt2-swiglu"
            mlp = ["mlp/gate", "mlp/up", "mlp/down"] if swiglu else ["mlp/fc", "mlp/proj"]
            for h in ("h.0", "h.1"):
                split = f"{h}/attn/split"
                expected.add((split, (f"{split}.q", f"{split}.k", f"{split}.v")))
                for linear in ("attn/qkv", "attn/proj", *mlp):
                    name = f"{h}/{linear}"
                    expected.add((f"{name}.bias", (f"{name}.biased",)))
        assert odd == expected


def names_of_layer(model):
    """The names of layer 0's own nodes, in order, without `h.0/`."""
    names = [node.name for node in model.graph.node]
    return [
        name[4:]
        for name in names
        if name.startswith("h.0/")
    ]


def test_gpt_nodes_have_the_names_recipes_match_on(write):
    assert names_of_layer(onnx.load(write(FAMILIES["gpt2"]))) == [
        "ln_1",
        "attn/qkv",
        "attn/qkv.bias",
        "attn/split",
        "attn",
        "attn/proj",
        "attn/proj.bias",
        "attn/residual",
        "ln_2",
        "mlp/fc",
        "mlp/fc.bias",
        "mlp/gelu",
        "mlp/proj",
        "mlp/proj.bias",
        "mlp/residual",
    ]


def test_llama_nodes_have_the_names_recipes_match_on(write):
    assert sorted(names_of_layer(onnx.load(write(FAMILIES["llama"])))) == sorted(
        [
            "ln_1",
            "attn/q",
            "attn/k",
            "attn/v",
            "attn/q.rope",
            "attn/k.rope",
            "attn",
            "attn/proj",
            "attn/residual",
            "ln_2",
            "mlp/gate",
            "mlp/up",
            "mlp/sigmoid",
            "mlp/silu",
            "mlp/swiglu",
            "mlp/down",
            "mlp/residual",
        ]
    )


def test_qwen_norms_its_heads(write):
    names = names_of_layer(onnx.load(write(FAMILIES["qwen"])))
    for name in ("attn/q", "attn/k"):
        assert {name, f"{name}_norm", f"{name}.rope"} <= set(names)
    shapes = parameter_shapes(onnx.load(write(FAMILIES["qwen"])))
    assert shapes["h.0/attn/q_norm.weight"] == shapes["h.1/attn/k_norm.weight"] == (6,)


def test_a_gated_gpt_has_biases_everywhere(write):
    shapes = parameter_shapes(onnx.load(write(FAMILIES["gpt2-swiglu"])))
    for linear, width in (("gate", 64), ("up", 64), ("down", WIDTH)):
        assert shapes[f"h.0/mlp/{linear}.bias"] == (width,)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_tied_head_has_no_weight(write, family):
    shapes = parameter_shapes(onnx.load(write(FAMILIES[family])))
    tied = MODELS[family][2].get("tied", "true") == "true"
    assert shapes.get("lm_head.weight") == (None if tied else (WIDTH, VOCAB))


@pytest.mark.parametrize("family", FAMILIES)
def test_logits_are_those_of_a_numpy_model(write, family):
    path = write(f"{FAMILIES[family]} --weights")
    model = onnx.load(path)
    # Weights of the first draw hardly leave the embedding: norms and biases get
    # values, and everything is larger, so that every path counts.
    rng = np.random.default_rng(1)
    parameters = {}
    for tensor in model.graph.initializer:
        if is_parameter(tensor.name):
            value = rng.normal(0, 0.3, tuple(tensor.dims)).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(value, tensor.name))
            parameters[tensor.name] = value.astype(np.float64)
    tokens = random_tokens(3)
    kv_heads = int(MODELS[family][2].get("kv_heads", HEADS))
    if family.startswith("gpt"):
        expected = forward.gpt(parameters, tokens, LAYERS, HEADS)
    elif family.startswith("llama"):
        expected = forward.llama(parameters, tokens, LAYERS, HEADS, kv_heads)
    else:
        expected = forward.llama(parameters, tokens, LAYERS, HEADS, kv_heads, 1e6, 1e-6)
    (logits,) = ReferenceEvaluator(model).run(None, {"tokens": tokens})
    assert expected.std() > 0.4
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-4)


def drawn(name, seed, count):
    """The stream of NormalStream.h, from its description."""
    mask = 2**64 - 1

    def mix(x):
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 & mask
        x = (x ^ (x >> 27)) * 0x94D049BB133111EB & mask
        return x ^ (x >> 31)

    key = 0xCBF29CE484222325
    for byte in name.encode():
        key = (key ^ byte) * 0x100000001B3 & mask
    key = mix(key ^ mix(seed))
    values = []
    for pair in range((count + 1) // 2):
        bits = mix(key + (pair + 1) * 0x9E3779B97F4A7C15 & mask)
        radius = np.sqrt(-2 * np.log(((bits >> 24) + 1) / 2**40))
        angle = 2 * np.pi * (bits % 2**24) / 2**24
        values += [radius * np.cos(angle), radius * np.sin(angle)]
    return np.array(values[:count])


@pytest.mark.parametrize("family", FAMILIES)
def test_weights_are_drawn_as_documented(write, family):
    model = onnx.load(write(f"{FAMILIES[family]} --seed 5"))
    for tensor in model.graph.initializer:
        if not is_parameter(tensor.name):
            continue
        value = numpy_helper.to_array(tensor).ravel()
        residual = tensor.name.endswith(("/proj.weight", "/down.weight"))
        if tensor.name.endswith(".bias"):
            expected = np.zeros(value.size)
        elif "ln_" in tensor.name or "_norm." in tensor.name:
            expected = np.ones(value.size)
        else:
            std = 0.02 / np.sqrt(2 * LAYERS) if residual else 0.02
            expected = std * drawn(tensor.name, 5, value.size)
        np.testing.assert_allclose(value, expected, atol=1e-7, err_msg=tensor.name)


@pytest.mark.parametrize("family", FAMILIES)
def test_nodes_draw_what_weights_would_be(write, family):
    """Without weights the file describes the same shapes and distributions."""
    stored = onnx.load(write(f"{FAMILIES[family]} --weights", "a.onnx"))
    nodes = onnx.load(write(f"{FAMILIES[family]} --no-weights", "b.onnx"))
    shapes = parameter_shapes(stored)
    assert parameter_shapes(nodes) == shapes
    values = ReferenceEvaluator(nodes).run(
        list(shapes), {"tokens": random_tokens(1)}, intermediate=True
    )
    for tensor in stored.graph.initializer:
        if is_parameter(tensor.name):
            weights = numpy_helper.to_array(tensor)
            # Five standard errors of a standard deviation, twice.
            tolerance = 10 * weights.std() / np.sqrt(2 * weights.size)
            assert abs(values[tensor.name].std() - weights.std()) <= tolerance
            assert abs(values[tensor.name].mean() - weights.mean()) <= 2 * tolerance


@pytest.mark.parametrize(
    "family, size, parameters",
    [
        ("gpt2", "124m", 124_439_808),
        ("gpt2", "355m", 354_823_168),
        ("gpt2", "774m", 774_030_080),
        ("gpt2", "1558m", 1_557_611_200),
        ("gpt3", "175b", 174_604_259_328),
        ("llama", "1.1b", 1_100_048_384),
        ("llama", "7b", 6_738_415_616),
        ("qwen", "0.6b", 596_049_920),
        ("qwen", "8b", 8_190_735_360),
    ],
)
def test_named_sizes_have_their_published_parameters(write, family, size, parameters):
    path = write(f"{family} --size {size} --no-weights")
    onnx.checker.check_model(path, full_check=True)
    assert count_parameters(onnx.load(path)) == parameters


def test_sizes_can_be_changed(write):
    model = onnx.load(write("gpt2 --size 124m --layers 2 --vocab 1000 --no-weights"))
    assert count_parameters(model) == 2 * 7_087_872 + 1536 + (1000 + 1024) * 768


def test_a_large_model_leaves_its_weights_out(write):
    model = onnx.load(write("gpt2 --size 1558m"))
    assert any(node.op_type == "RandomNormal" for node in model.graph.node)


def test_prints_what_was_written(tmp_path):
    path = tmp_path / "m.onnx"
    output = run([*FAMILIES["gpt2"].split(), "-o", path]).stdout
    size = path.stat().st_size / 1e6
    assert output == f"{path}: gpt2, 27328 parameters, {size:.1f} MB\n"


def test_prints_where_external_data_stand(tmp_path):
    path = tmp_path / "m.onnx"
    output = run([*FAMILIES["qwen"].split(), "--external-data", "-o", path]).stdout
    size, data = path.stat().st_size / 1e6, (tmp_path / "m.onnx.data").stat().st_size / 1e6
    assert output == (
        f"{path}: qwen, {PARAMETERS['qwen']} parameters, {size:.1f} MB, "
        f"weights in {path}.data ({data:.1f} MB)\n"
    )


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stopped_writer_leaves_what_was_there(tmp_path, stop):
    tiny = [*FAMILIES["gpt2"].split(), "--external-data", "-o", tmp_path / "m.onnx"]
    run(tiny)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    large = [FP8C, "model", "gpt2", "--external-data", "-o", tmp_path / "m.onnx"]
    # What runs tests in the background may have them ignore signals, and what they start.
    writer = subprocess.Popen(large, preexec_fn=lambda: signal.signal(stop, signal.SIG_DFL))
    partial = tmp_path / "m.onnx.data.partial"
    deadline = time.monotonic() + 30
    while not (partial.exists() and partial.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.001)
    writer.send_signal(stop)
    assert writer.wait(30) == -stop
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    "command, message",
    [
        ("gpt2 --d-model 100 --heads 3", "width 100 is not a multiple of 3 heads"),
        ("gpt2 --layers 0", "layers is 0: it must be between 1 and 4096"),
        ("gpt2 --ffn 0", "ffn is 0: it must be at least 1"),
        ("gpt2 --size 7b", "gpt2 has no size '7b'; it has 124m 355m 774m 1558m"),
        ("llama --mlp gelu", "llama has no gelu: its MLP is swiglu"),
        ("qwen --head-dim 0", "head-dim is 0: it must be at least 1"),
        ("qwen --mlp relu", "relu not in {gelu,swiglu}"),
        ("bert", "bert not in {gpt2,gpt3,llama,qwen}"),
        ("gpt2 --weights --no-weights", "excludes"),
        ("gpt2 --external-data --no-weights", "excludes"),
    ],
)
def test_errors_are_clear(tmp_path, command, message):
    path = tmp_path / "m.onnx"
    result = run([*command.split(), "-o", path], check=False)
    assert result.returncode != 0
    assert message in result.stderr + result.stdout
    assert not path.exists()
