"""What goes wrong is said: exit status 1, a message that names the file and what
to do, no crash, and nothing left behind."""

import os
import pathlib
import random
import subprocess

import numpy as np
import onnx
import pytest
from onnx import helper

from support import BIN, CRASHES, Graph, limit, refuses, run, save


@pytest.fixture
def compile_refuses(tmp_path):
    def check(model, *options, says, **others):
        if isinstance(model, onnx.ModelProto):
            model = save(model, tmp_path / "model.onnx")
        output = [] if "-o" in options else ["-o", "out.fp8x"]
        arguments = ["compile", model, "--batch", 2, *output, *options]
        return refuses("fp8c", *arguments, folder=tmp_path, says=says, **others)

    return check


def language_model(build):
    """A model of tokens [batch, 4] whose logits `build` makes of an embedding."""
    graph = Graph()
    tokens = graph.input("tokens", np.int64, ["batch", 4])
    table = graph.initializer("wte.weight", np.ones((8, 6)))
    logits = build(graph, graph.op("Gather", table, tokens))
    return graph.model({logits: None})


# ------------------------------------------------------------------------------
# Models
# ------------------------------------------------------------------------------


def test_conflicting_opsets(compile_refuses):
    model = language_model(lambda graph, x: x)
    model.opset_import.append(helper.make_opsetid("ai.onnx", 17))
    compile_refuses(model, says=["opsets 23 and 17", "domain 'ai.onnx'"])


@pytest.mark.parametrize("kind", ["training info", "an optimizer"])
def test_training_graphs(compile_refuses, kind):
    model = language_model(lambda graph, x: x)
    if kind == "training info":
        model.training_info.add()
    else:
        model.graph.node.add(op_type="Adam", domain="ai.onnx.preview.training", input=["tokens"], output=["new"])
        model.opset_import.append(helper.make_opsetid("ai.onnx.preview.training", 1))
    compile_refuses(model, says="export the forward graph")


def test_unsupported_operators_are_told_all_at_once(compile_refuses):
    def build(graph, x):
        x = graph.op("Hardmax", x)
        x = graph.op("FusedMatMul", x, x, domain="com.microsoft")
        x = graph.op("Celu", x)
        return graph.op("Celu", x)

    model = language_model(build)
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    output = compile_refuses(model, says=["model.onnx", "4 nodes cannot be imported"])
    table = [line.split() for line in output.splitlines() if line.startswith("  ")]
    assert table[0][:4] == ["op", "domain", "version", "node"]
    assert [row[:3] for row in table[1:]] == [
        ["Hardmax", "ai.onnx", "23"],
        ["FusedMatMul", "com.microsoft", "1"],
        ["Celu", "ai.onnx", "23"],
    ]
    assert "hardmax.1" in table[1]
    assert "celu.3 and 1 more" in output


def test_unsupported_forms_say_why(compile_refuses):
    def build(graph, x):
        return graph.op("Conv", x, graph.initializer("w", np.ones((5, 4, 2))))

    compile_refuses(language_model(build), says=["Conv", "its patches overlap"])


def test_operators_without_inputs(compile_refuses):
    """A node that lacks all its inputs is told, whatever its operator."""
    operators = [line.split()[0] for line in run("fp8c", "operators").splitlines() if line.strip()]
    assert len(operators) > 50
    without = {"Constant", "RandomNormal"}  # have none
    tokens = helper.make_tensor_value_info("tokens", onnx.TensorProto.INT64, [2, 4])
    for start in range(0, len(operators), 20):  # errors that are shown
        names = operators[start : start + 20]
        nodes = [helper.make_node(n.split(".")[-1], [], [n], domain=n.rpartition(".")[0]) for n in names]
        outputs = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [2, 4]) for name in names]
        graph = helper.make_graph(nodes, "g", [tokens], outputs)
        imports = [helper.make_opsetid("", 24), helper.make_opsetid("com.microsoft", 1)]
        model = helper.make_model(graph, opset_imports=imports)
        output = compile_refuses(model, says=[f"({name.split('.')[-1]})" for name in names])
        assert output.count("lacks its input") == len(set(names) - without)


def test_nodes_without_outputs(tmp_path):
    """What nothing can ask for is left aside."""

    def build(graph, x):
        for line in run("fp8c", "operators").splitlines():
            *domain, kind = line.split()[0].rsplit(".", 1)
            graph.nodes.append(helper.make_node(kind, ["wte.weight", "tokens"], [], domain="".join(domain)))
        return x

    path = save(language_model(build), tmp_path / "model.onnx")
    assert "func.func @forward" in run("fp8c", "compile", path, "--batch", 2, "--emit=train")


def test_outputs_that_are_left_out(compile_refuses):
    """The statistics of a norm do not matter, unless something uses them."""

    def normalise(graph, x):
        ones = [graph.constant(np.ones(4)) for _ in range(4)]
        return graph.op("BatchNormalization", x, *ones, outputs=3)

    def build(graph, x):
        y, mean, _ = normalise(graph, x)
        return graph.op("Add", y, mean)

    compile_refuses(language_model(build), says=["Add", "'batchnormalization.5.1' is an output that is not supported"])
    graph = Graph()
    _, mean, _ = normalise(graph, graph.input("x", np.float32, [2, 4]))
    compile_refuses(graph.model({mean: (4,)}), "--forward-only", says=["output 'batchnormalization.4.1'", "not supported"])


@pytest.mark.parametrize("damage", ["empty", "text", "cut", "noise"])
def test_damaged_files(compile_refuses, tiny, tmp_path, damage):
    data = tiny.read_bytes()
    contents = {
        "empty": b"",
        "text": b"This is not a model.\n" * 50,
        "cut": data[: len(data) // 2],
        "noise": random.Random(1).randbytes(2000),
    }
    path = tmp_path / "damaged.onnx"
    path.write_bytes(contents[damage])
    compile_refuses(path, says=["damaged.onnx", "it is empty" if damage == "empty" else "is not an ONNX model or is damaged"])


def test_no_file(compile_refuses, tmp_path):
    compile_refuses("none.onnx", says=["none.onnx", "No such file"])
    compile_refuses(tmp_path, says=str(tmp_path))


def test_external_data_over_a_link(tmp_path):
    """What a model calls its data is copied into the program from its own folder, or
    not at all (test/unit/models/ONNXFileTest.cpp has every way to leave it)."""
    model = language_model(lambda graph, x: graph.op("MatMul", x, graph.initializer("w", np.ones((6, 9)))))
    (tmp_path / "model").mkdir()
    path, data = tmp_path / "model/m.onnx", tmp_path / "model/w.bin"
    onnx.save(model, path, save_as_external_data=True, location=data.name, size_threshold=0)
    arguments = ["compile", path, "--batch", 2, "--host-opt", 0, "-o", "out.fp8x"]
    run("fp8c", *arguments, cwd=tmp_path)
    assert (np.fromfile(tmp_path / "out.fp8x/initial.bin", np.float32) == np.ones(8 * 6 + 6 * 9)).all()

    secret = data.rename(tmp_path / "secret")
    data.symlink_to(secret)
    refuses("fp8c", *arguments, folder=tmp_path, says=[data, "'w.bin' is a symbolic link"])


def test_any_damage_is_survived(tiny, tmp_path):
    """A byte changed at random: an error or a model, never a crash."""
    data, choose = tiny.read_bytes(), random.Random(2)
    path = tmp_path / "model.onnx"
    refused = 0
    for _ in range(60):
        damaged = bytearray(data)
        damaged[choose.randrange(len(data))] ^= 1 << choose.randrange(8)
        path.write_bytes(damaged)
        done = subprocess.run(
            [BIN / "fp8c", "compile", path, "--batch", "2", "--emit=train"],
            capture_output=True, text=True, errors="replace", timeout=60,
        )  # fmt: skip
        assert done.returncode in (0, 1), f"{done.returncode}: {done.stderr}"
        assert not any(word in done.stderr for word in CRASHES), done.stderr
        assert bool(done.stderr) or done.returncode == 0
        refused += done.returncode
    assert refused > 5


WRONG_SHAPES = {
    "matmul": (lambda g, x: g.op("MatMul", x, g.initializer("w", np.ones((5, 6)))), ["cannot multiply", "[5, 6]"]),
    "broadcast": (lambda g, x: g.op("Add", x, g.initializer("b", np.ones(5))), ["do not broadcast", "[5]"]),
    "attention": (
        lambda g, x: g.op("Attention", *[g.op("Flatten", x)] * 3, q_num_heads=2, kv_num_heads=2),
        ["of 3 or of 4 dimensions"],
    ),
    "heads": (lambda g, x: g.op("Attention", x, x, x, q_num_heads=4, kv_num_heads=4), ["into heads"]),
    "transpose": (lambda g, x: g.op("Transpose", x, perm=[1, 0]), ["transpose.1"]),
    "reshape": (lambda g, x: g.op("Reshape", x, g.constant(np.array([5, 5]))), ["reshape."]),
    "norm": (lambda g, x: g.op("RMSNormalization", x, g.initializer("s", np.ones(5))), ["does not broadcast"]),
    "axis": (lambda g, x: g.op("Softmax", x, axis=7), ["axis"]),
    "split": (lambda g, x: g.op("Split", x, g.constant(np.array([4, 4])), outputs=2, axis=2)[0], ["split."]),
}


@pytest.mark.parametrize("name", WRONG_SHAPES)
def test_wrong_shapes(compile_refuses, name):
    build, says = WRONG_SHAPES[name]
    compile_refuses(language_model(build), says=["model.onnx", *says])


def test_cycles(compile_refuses):
    graph = Graph()
    graph.input("tokens", np.int64, ["batch", 4])
    graph.nodes = [
        helper.make_node("Relu", ["b"], ["a"], name="first"),
        helper.make_node("Neg", ["a"], ["b"], name="second"),
    ]
    says = ["model.onnx", "nodes wait for each other's values", "'first'", "'second'"]
    compile_refuses(graph.model({"a": None}), says=says)


def test_values_that_nothing_produces(compile_refuses):
    model = language_model(lambda g, x: g.op("Add", x, "nowhere"))
    compile_refuses(model, says=["model.onnx", "'nowhere'", "nothing produces"])


def test_wrong_ranks_of_declarations(compile_refuses):
    graph = Graph()
    tokens = graph.input("tokens", np.int64, ["batch", 4])
    logits = graph.op("Gather", graph.initializer("w", np.ones((8, 6))), tokens)
    compile_refuses(graph.model({logits: (2, 4)}), says=["is declared with another shape than", "[2, 4, 6]"])


def test_open_dimensions(tiny, tmp_path):
    says = ["tiny.onnx", "'tokens' leaves its batch open", "--batch"]
    refuses("fp8c", "compile", tiny, "-o", "out.fp8x", folder=tmp_path, says=says)


def test_losses(compile_refuses, tiny):
    compile_refuses(tiny, "--loss", "los", says=["no output named", "los", '"logits"'])


# ------------------------------------------------------------------------------
# Recipes
# ------------------------------------------------------------------------------

RECIPES = {
    "unknown-key": ("name: r\ndefaults:\n  formt: bf16\n", [":3:3", "unknown key 'formt'", "did you mean 'format'?"]),
    "unknown-rule-key": (
        "name: r\nrules:\n  - match: { gem: fwd }\n    format: e4m3\n",
        [":3:14", "unknown key 'gem'", "did you mean 'gemm'?"],
    ),
    "unknown-format": ("name: r\ndefaults:\n  format: e4m4\n", [":3:11", "'e4m4'", "did you mean 'e4m3'?"]),
    "bad-number": ("name: r\ndefaults:\n  window: many\n", [":3:11", "'window' must be a number"]),
    "syntax": ("name: r\ndefaults: [\n", ["recipe.yaml:"]),
    "empty": ("", [":1:1", "empty"]),
    "no-rules": ("name: r\nrules: 3\n", [":2:8", "must be a list"]),
    "unused-rule": (
        'name: r\nrules:\n  - match: { name: "*no_such_layer*" }\n    format: bf16\n',
        [":3:", "match"],
    ),
}


@pytest.mark.parametrize("name", RECIPES)
def test_recipe_mistakes(compile_refuses, tiny, tmp_path, name):
    text, says = RECIPES[name]
    (tmp_path / "recipe.yaml").write_text(text)
    compile_refuses(tiny, "--recipe", "recipe.yaml", says=["recipe.yaml", *says])


def test_recipe_names(compile_refuses, tiny):
    compile_refuses(tiny, "--recipe", "fp8-delaid", says=["no recipe is called 'fp8-delaid'", "'fp8-delayed'"])
    compile_refuses(tiny, "--recipe", "none.yaml", says=["none.yaml", "No such file"])


# ------------------------------------------------------------------------------
# Where programs go
# ------------------------------------------------------------------------------


def test_no_host_compiler(compile_refuses, tiny, tmp_path):
    says = ["no host compiler 'nonexistent'", "--host-compiler"]
    compile_refuses(tiny, "--host-compiler", "nonexistent", says=says)
    compile_refuses(tiny, says="no host compiler 'c++'", environment={"PATH": str(tmp_path)})


def test_a_host_compiler_that_fails(compile_refuses, tiny):
    compile_refuses(tiny, "--host-compiler", "false", says="failed on the emitted source")


@pytest.mark.parametrize("size", [0, 2000, 100_000])
def test_full_disk(compile_refuses, tiny, size):
    """The emitted source, the IR and the host compiler's output: each runs out."""
    compile_refuses(tiny, "--host-opt", "0", says="out.fp8x", **limit(size))


def test_full_disk_leaves_the_old_program(tiny, tiny_program, tmp_path):
    copy = tmp_path / "old.fp8x"
    copy.mkdir()
    for file in tiny_program.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    arguments = ["compile", tiny, "--recipe", "bf16", "--batch", 2, "--host-opt", 0, "-o", "old.fp8x"]
    refuses("fp8c", *arguments, folder=tmp_path, says="old.fp8x", **limit(2000))


def test_full_disk_for_models(tmp_path):
    arguments = "model gpt2 --layers 1 --d-model 64 --heads 1 --vocab 64 --seq 8 -o model.onnx".split()
    refuses("fp8c", *arguments, folder=tmp_path, says="model.onnx", **limit(5000))


FULL = pathlib.Path("/dev/full")


@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")
@pytest.mark.parametrize("stage", ["train", "source"])
def test_full_standard_output(tiny, stage):
    with FULL.open("w") as full:
        done = subprocess.run(
            [BIN / "fp8c", "compile", tiny, "--batch", "2", f"--emit={stage}"],
            stdout=full, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == "fp8c: error: cannot write to standard output\nhint: is its disk full?\n"


@pytest.mark.parametrize(
    "arguments, says",
    [
        (["--batch", 0], "--batch: Value 0 not in range"),
        (["--target", "tpu"], "--target: tpu not in"),
        (["--emit=pictures"], "--emit: pictures not in"),
        (["--recpie", "f32"], "--recpie"),
        (["-o"], "-o"),
    ],
)
def test_command_lines(tiny, tmp_path, arguments, says):
    refuses("fp8c", "compile", tiny, *arguments, folder=tmp_path, says=[says, "hint: see: fp8c compile --help"])


def test_no_model(tmp_path):
    refuses("fp8c", "compile", folder=tmp_path, says="model is required")
    refuses("fp8c", folder=tmp_path, says="A subcommand is required")
    refuses("fp8c", "train", "x.fp8x", folder=tmp_path, says=['"train" is no command of fp8c', "fp8c-run train --help"])
    refuses("fp8c", "trane", folder=tmp_path, says='there is no command "trane"')


@pytest.mark.parametrize("size", [0, 1000])
def test_full_disk_for_data(tmp_path, size):
    (tmp_path / "text").write_text("So much text, so little room. " * 400)
    refuses("fp8c", "data", "text", "-o", "out", folder=tmp_path, says="out.", **limit(size))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_no_permission(compile_refuses, tiny, tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    compile_refuses(tiny, "-o", "locked/out.fp8x", says="Permission denied")


# ------------------------------------------------------------------------------
# Data and checkpoints of a real program
# ------------------------------------------------------------------------------


def test_tokens_outside_the_vocabulary(tiny_program, tokens, tmp_path):
    data = tokens([*range(31), 99, *range(31)])
    says = [data, "token 99 at position 31", "vocabulary of 32", "tokenizer"]
    refuses("fp8c-run", "train", tiny_program, "--data", data, "--steps", 1, folder=tmp_path, says=says)


def test_evaluation_outside_the_vocabulary(tiny_program, tokens, tmp_path):
    """Validation data is checked before the first step."""
    good, bad = tokens(np.arange(100) % 32, "good.bin"), tokens([*range(31), 32, *range(31)], "bad.bin")
    says = [bad, "token 32 at position 31", "tokenizer"]
    refuses("fp8c-run", "eval", tiny_program, "--data", bad, folder=tmp_path, says=says)
    arguments = ["train", tiny_program, "--data", good, "--val", bad, "--steps", 1]
    refuses("fp8c-run", *arguments, folder=tmp_path, says=says)


def test_too_little_data(tiny_program, tokens, tmp_path):
    """A batch of 2 x 8 needs 17."""
    data = tokens(range(16))
    says = [data, "16 tokens, too few for one batch of 2 x 8", "use more data"]
    refuses("fp8c-run", "train", tiny_program, "--data", data, "--steps", 1, folder=tmp_path, says=says)


def test_checkpoints_of_another_program(tiny, tokens, tmp_path):
    """The program's path is the same, its recipe is not."""
    data = tokens(np.arange(100) % 32)
    compiling = ["compile", tiny, "--batch", 2, "--host-opt", 0, "-o", "model.fp8x", "--recipe"]
    run("fp8c", *compiling, "f32", cwd=tmp_path)
    run("fp8c-run", "train", "model.fp8x", "--data", data, "--steps", 2, cwd=tmp_path)
    run("fp8c", *compiling, "fp8-delayed", cwd=tmp_path)
    says = ["was compiled again since the run began", "hint: "]
    refuses("fp8c-run", "train", "--resume", "run", "--steps", 3, folder=tmp_path, says=says)
    says = ["belongs to another model", "hint: "]
    refuses("fp8c-run", "eval", "run", "--data", data, folder=tmp_path, says=says)


def test_full_disk_while_training(tiny_program, tokens, tmp_path):
    """The checkpoint does not fit; the run folder holds no half of one."""
    data = tokens(np.arange(100) % 32)
    arguments = ["train", tiny_program, "--data", data, "--steps", 2, "--out", "run"]
    output = run("fp8c-run", *arguments, status=1, cwd=tmp_path, **limit(8000))
    assert "fp8c-run: error: " in output and "model.safetensors" in output and "hint: " in output
    assert not list((tmp_path / "run/checkpoints").iterdir())
