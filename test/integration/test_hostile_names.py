"""Names are data: what graphs, nodes, tensors, recipes and files are called changes no program,
no document and no terminal, whatever the names hold."""

import html.parser
import itertools
import json
import os
import random
import re
import shutil
import subprocess

import numpy as np
import onnx
import pytest

from support import BIN, ROOT, Graph, read_safetensors, save, write_safetensors

NVCC = shutil.which("nvcc") or shutil.which("nvcc", path="/usr/local/cuda/bin")
INCLUDE = ROOT / "runtime"
SIZES = "--layers 1 --d-model 32 --heads 2 --vocab 256 --seq 16".split()
LONG = 100_000

# ------------------------------------------------------------------------------
# Names
# ------------------------------------------------------------------------------


def hostile_names(marker):
    """Names that leave the place they are printed in and make `marker`, if one lets them."""
    run = f'system("touch {marker}")'
    names = []
    # What ends the comment, the string, the scalar, the element that a name stands in.
    for i, end in enumerate(["\n", "\r", "\r\n", "\v", "\f", "\x85", "\u2028", "*/ ", '"); ', "\\\n", "??/\n", "'); ", "\0\n"]):
        names.append(f"end{i}{end}static int p{i} = {run}; //")
        names.append(f"close{i}{end}}}}} namespace {{ int q{i} = {run}; }} namespace fp8c {{ /*")
    names += [f"call\n  {run};\n  //", f"$({marker})`touch {marker}`|touch {marker};", f"#include\n#error {marker}", "<::>\n%:error digraph"]
    names += ["backslash\\", "backslashes\\\\", "line ends\\\n", "trigraph??/", "trigraphs??/??/\n", "??=define x", "/*", "*/", "//", '"', "'", '\\"']
    names += ["</script><script>alert(1)</script>", "<img src=x onerror=alert(1)>", "<!--<script>", "]]>", "&lt;", "@DATA@", "${x}", "`${alert(1)}`"]
    names += ['"}, optional: true }\n  - match: { name: "*', "- x", "*ref", "&anchor", "!!tag", "{a: b}", "[a, b]", "# no", "? key", "%TAG", "a: b", "h.0/*[ab]{c,d}?"]
    names += ["\x1b[31mred", "\x1b]0;title\x07", "\x9b31m", "bell\x07", "tab\ttab", "over\rwritten", "erase\b\b\b", "del\x7f", "\u202eexe.txt", "\u2066\u200b\ufeff", "\0", "nul\0nul"]
    names += ["%s%n%d", "../../../tmp/x", "/tmp/x", ".", "..", "-o", " ", "é", "重み", "\U0001f600", "\\x0a", "\n", "h.99999999999999999999/x", "h.9223372036854775807/x"]
    # Alike but for what is replaced, or for what is beyond the end.
    names += ["a b", "a/b", "a_b", "a-b", "a b_2", "a\nb", "a\tb", "a\\x0ab"]
    names += ["L" * LONG + "1", "L" * LONG + "2", "\n" * LONG, "/" * LONG, "M" * (LONG // 2) + "1" + "M" * (LONG // 2), "M" * (LONG // 2) + "2" + "M" * (LONG // 2)]
    return names


def words_of(source):
    """What a C++ text consists of, comments and strings left out."""
    return set(re.findall(r"[A-Za-z_]\w*", re.sub(r'//.*|/\*.*?\*/|"(\\.|[^"\\])*"', "", source)))


KEYWORDS = """alignas alignof and and_eq asm auto bitand bitor bool break case catch char char16_t char32_t char8_t class co_await
co_return co_yield compl concept const const_cast consteval constexpr constinit continue decltype default delete do double dynamic_cast
else enum explicit export extern false float for friend goto if inline int long mutable namespace new noexcept not not_eq nullptr operator
or or_eq private protected public register reinterpret_cast requires return short signed sizeof static static_assert static_cast struct
switch template this thread_local throw true try typedef typeid typename union unsigned using virtual void volatile wchar_t while xor
xor_eq""".split()


def macros(command, header, folder):
    """Macros without arguments that a compiler has after the kernel library's header."""
    source = folder / ("macros" + (".cu" if "cuda" in header else ".cpp"))
    source.write_text(f'#include "core/ProgramABI.h"\n#include "{header}"\n')
    text = subprocess.run([*command, "-std=c++20", "-I", INCLUDE, "-E", source], check=True, capture_output=True, text=True).stdout
    return set(re.findall(r"^#define (\w+)(?!\()\b", text, re.M))


@pytest.fixture(scope="module")
def known_macros(tmp_path_factory):
    folder = tmp_path_factory.mktemp("macros")
    found = macros(["c++", "-march=native", "-fopenmp", "-dM"], "kernels/cpu/kernels.h", folder)
    if NVCC:
        found |= macros([NVCC, "-arch=sm_90", "-Xcompiler", "-dM"], "kernels/cuda/kernels.cuh", folder)
    return found


# ------------------------------------------------------------------------------
# Tools, whose every output is looked at
# ------------------------------------------------------------------------------


def check_terminal(text):
    """Lines of UTF-8 that hold nothing but what is seen."""
    text = text.decode()
    bad = [c for c in text if c != "\n" and not c.isprintable()]
    assert not bad, f"{bad[:10]} in {text[:2000]!r}"
    return text


def tool(name, *arguments, status=0):
    command = [os.fsencode(str(a)) if not isinstance(a, bytes) else a for a in (BIN / name, *arguments)]
    done = subprocess.run(command, capture_output=True, timeout=300)
    text = check_terminal(done.stdout) + check_terminal(done.stderr)
    assert all(len(line) < 20_000 for line in done.stderr.splitlines())
    assert done.returncode == status, f"{arguments} exited with {done.returncode}\n{text[:4000]}"
    return text


def check_source(source):
    """Comments and strings hold no control characters, and each declares another variable."""
    assert all(c == "\n" or c.isprintable() for c in source), [c for c in source if c != "\n" and not c.isprintable()][:10]
    assert not re.search(r"\?\?|\\$", source, re.M)
    for function in source.split('extern "C" void')[1:]:
        names = re.findall(r"^  (?:const )?auto \*(\w+) =", function, re.M)
        assert len(names) == len(set(names)) and all(len(name) < 300 for name in names)


class Page(html.parser.HTMLParser):
    """The elements of a page, and the data in it."""

    def __init__(self, path):
        super().__init__()
        self.tags, self.attributes, self.data, self.isData = [], [], "", False
        self.feed(path.read_text())

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [name for name, _ in attributes]
        self.isData = ("id", "data") in attributes

    def handle_data(self, data):
        if self.isData:
            self.data += data


# ------------------------------------------------------------------------------
# A model that has every name at once
# ------------------------------------------------------------------------------


def rename(model, names, kept=("tokens", "logits")):
    """Gives every node, parameter, input and output but those of `kept`, and the graph,
    one of the names."""
    names = iter(names)
    values = {name: name for name in kept}
    graph = model.graph
    graph.name = next(names)
    for thing in (*graph.input, *graph.output, *graph.initializer):
        if thing.name not in values:
            values[thing.name] = next(names)
        thing.name = values[thing.name]
    for node in graph.node:
        node.name = next(names)
        for list_ in (node.input, node.output):
            for i, value in enumerate(list_):
                list_[i] = values.get(value, value)
    return [tensor.name for tensor in graph.initializer]


class Workshop:
    def __init__(self, folder):
        self.folder = folder
        self.marker = folder / "PWNED"
        self.names = hostile_names(self.marker)
        tool("fp8c", "model", "gpt2", *SIZES, "-o", folder / "plain.onnx")
        self.count = 0
        np.random.default_rng(0).integers(0, 256, 8192).astype(np.uint16).tofile(folder / "tokens.bin")
        # Files are named by people too. A name in a file system has no / and no NUL, and at most 255 bytes.
        self.awkward = "it's <img src=x onerror=alert(1)>\n\x1b[31m\u202e\\"
        self.recipe = folder / f"{self.awkward}.yaml"
        text = (ROOT / "recipes/fp8-lm.yaml").read_text()
        self.recipe_name = 'fp8 */ "\\\n\x1b#error </script>'
        self.recipe.write_text(text.replace("name: fp8-lm\n", f"name: {json.dumps(self.recipe_name)}\n"))

    def model(self, offset):
        """A GPT with names from `offset` on; the path and the parameters' names. Tools know
        its inputs and outputs by what they are, at one offset all are hostile."""
        model = onnx.load(self.folder / "plain.onnx")
        order = self.names[offset:] + self.names[:offset]
        more = (f"{name}{i}" for i, name in enumerate(itertools.cycle(order)))
        parameters = rename(model, itertools.chain(order, more), ("tokens", "logits") if offset == 0 else ())
        path = self.folder / f"{offset} {self.awkward}.onnx"
        onnx.save(model, path)
        return path, model, parameters

    def check(self):
        assert not self.marker.exists(), "a name was run"


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    return Workshop(tmp_path_factory.mktemp("names"))


OFFSETS = [0, 60]


@pytest.mark.parametrize("offset", OFFSETS)
def test_trains(workshop, offset):
    """Through compile, train, resume, eval, sample, info, inspect, report and plot-loss."""
    folder = workshop.folder
    path, model, parameters = workshop.model(offset)
    program, out = folder / f"{offset}{workshop.awkward}.fp8x", folder / f"run-{offset}</script>{workshop.awkward}"
    command = ["compile", path, "--recipe", workshop.recipe, "--batch", 2, "--micro-batches", 1]
    tool("fp8c", *command, "--host-opt", 0, "--remarks", "-o", program)
    check_source((program / "step.cpp").read_text())
    manifest = json.loads((program / "manifest.json").read_text())
    assert manifest["model"]["name"] == model.graph.name and manifest["recipe"] == workshop.recipe_name
    assert [v["name"] for v in manifest["variables"] if v["role"] == "parameter"] == parameters
    forward = manifest["functions"]["forward"]
    assert [v["name"] for v in forward["outputs"]] == [model.graph.output[0].name]

    tool("fp8c-run", "train", program, "--data", folder / "tokens.bin", "--val", folder / "tokens.bin", "--eval-batches", 1, "--steps", 2, "--watch-every", 1, "--watch-underflow", 0, "--out", out)
    tool("fp8c-run", "train", "--resume", out, "--steps", 3)
    saved = read_safetensors(out / "checkpoints/step-000003/model.safetensors")
    assert set(parameters) <= saved.keys()
    watched = [json.loads(line) for line in (out / "fp8.jsonl").read_text().split("\n")[:-1]]
    assert len(watched) == 3 and all(f"{name}.m" in watched[0]["tensors"] for name in parameters if saved[name].ndim == 2)
    tool("fp8c-run", "eval", out, "--batches", 1)
    tool("fp8c-run", "info", out)
    tool("fp8c", "inspect", program)
    tool("fp8c", "inspect", program, "--roofline")
    subprocess.run([BIN / "fp8c-run", "sample", out, "--tokens", "1"], check=True, capture_output=True)

    tool("fp8c", "report", out, "-o", folder / "report.html")
    page = Page(folder / "report.html")
    assert page.tags.count("script") == 2 and "img" not in page.tags and not any(a.startswith("on") for a in page.attributes)
    (run,) = json.loads(page.data)
    assert run["name"] == out.name and run["model"] == model.graph.name and run["recipe"] == workshop.recipe_name
    assert run["watch"] == watched
    svg = subprocess.run([ROOT / "scripts/plot-loss", folder / "loss.svg", out], check=True, capture_output=True)
    check_terminal(svg.stdout)
    assert "<img" not in (folder / "loss.svg").read_text()
    workshop.check()


@pytest.mark.parametrize("offset", OFFSETS)
def test_every_stage_is_printed(workshop, offset):
    path, _, _ = workshop.model(offset)
    for target in ("cpu", "cuda"):
        for stage in ("train", "exec", "source") if target == "cuda" else ("fp8", "source"):
            text = tool("fp8c", "compile", path, "--batch", 2, "--target", target, f"--emit={stage}")
            if stage == "source":
                check_source(text)
                labels = re.findall(r"^  // (.*): \[|stream\.op\((\".*): \[", text, re.M)
                assert len(set(labels)) > 20
    workshop.check()


def test_recipe_by_measurement(workshop):
    """Its patterns are names, which must match themselves: its rules are not optional."""
    folder = workshop.folder
    path, model, parameters = workshop.model(30)
    program = folder / "bf16.fp8x"
    tool("fp8c", "compile", path, "--recipe", "bf16", "--batch", 2, "--expose-operands", "--host-opt", 0, "-o", program)
    stats = folder / f"stats{workshop.awkward}.json"
    tool("fp8c-run", "profile", program, "--data", folder / "tokens.bin", "--steps", 1, "--batches", 1, "-o", stats)
    document = json.loads(stats.read_text())
    assert document["model"] == model.graph.name
    assert [v["name"] for v in document["variables"] if v["role"] == "parameter"] == parameters
    # All products in FP8, so that all are named.
    for operand in document["operands"]:
        for statistics in operand["formats"].values():
            statistics["tensor"].update(snr_db=30, underflow=0)
    stats.write_text(json.dumps(document))
    text = tool("fp8c", "compile", path, "--recipe", "auto", "--stats", stats, "--batch", 2, "--emit=fp8", "-o", folder / "auto.fp8x")
    assert "fp8.matmul" in text
    recipe = (folder / "auto.recipe.yaml").read_text()
    assert all(c == "\n" or c.isprintable() for c in recipe)
    tool("fp8c", "compile", path, "--recipe", folder / "auto.recipe.yaml", "--batch", 2, "--emit=fp8")
    # It is of this model, and says so without walking through 100,000 letters by 100,000.
    document["variables"] = [v for v in document["variables"] if v["name"] != parameters[0]]
    stats.write_text(json.dumps(document))
    text = tool("fp8c", "compile", path, "--recipe", "auto", "--stats", stats, "--batch", 2, "--emit=fp8", "-o", folder / "auto.fp8x", status=1)
    assert "have no parameter" in text
    workshop.check()


# ------------------------------------------------------------------------------
# Identifiers: every name at once in one function and in kernels' arguments
# ------------------------------------------------------------------------------


def names_graph(names):
    """For each name n a product with a weight n by a node n/n, and kernels of differing
    numbers of them; what they give."""
    graph, weights, total = Graph(), {}, 0
    rng = np.random.default_rng(1)
    x = graph.input("*/ in\nput", np.float32, [2, 4])
    value = rng.standard_normal((2, 4), np.float32)
    outputs = {}
    names = list(names)
    for chunk, start in enumerate(range(0, len(names), 24)):
        terms, expected = [], 0
        for name in names[start : start + 24 + chunk % 2]:
            if name in weights:
                continue
            weights[name] = rng.standard_normal((4, 4), np.float32) / 8
            weights[f"p/{name}"] = rng.standard_normal((1, 4), np.float32) / 8
            product = graph.op("MatMul", x, graph.initializer(name, weights[name]))
            graph.nodes[-1].name = f"{name}"
            terms += [product, graph.initializer(f"p/{name}", weights[f"p/{name}"])]
            expected = expected + value @ weights[name] + weights[f"p/{name}"]
        for node in range(chunk % 3 + 1):  # kernels of different shapes keep their own names
            terms.append(x)
            expected = expected + value
        if len(terms) > 1:
            result = graph.op("Tanh" if chunk % 2 else "Sigmoid", graph.op("Sum", *terms))
            outputs[result] = np.tanh(expected) if chunk % 2 else 1 / (1 + np.exp(-expected))
    return graph.model({name: [2, 4] for name in outputs}), {x: value}, outputs


def declared(source):
    return set(re.findall(r"\*(\w+)(?: = |;)", source))


def test_identifiers(workshop, known_macros, tmp_path):
    """No name becomes a word of C++, a macro, or a word that the emitted text uses: the
    program computes what it would with plain names."""
    words = {"assert", "NULL", "linux", "unix", "INFINITY", "stdin", "std", "printf", "__FILE__", "_Bool", "main", "fp8c", "xdouble"}
    plain, _, _ = names_graph(["plain"])
    for target in ("cpu", "cuda"):
        model = save(plain, tmp_path / "plain.onnx")
        words |= words_of(tool("fp8c", "compile", model, "--forward-only", "--recipe", "f32", "--target", target, "--emit=source"))
        words |= words_of(tool("fp8c", "compile", workshop.folder / "plain.onnx", "--batch", 2, "--target", target, "--emit=source"))
    shaped = re.compile(r"__|_[A-Z]|[A-Z][A-Z0-9]*(_|$)")  # most macros; a sample of them will do
    odd = {name for name in known_macros if not shaped.match(name)}
    sample = random.Random(0).sample(sorted(known_macros - odd), 40)
    functions = {"forward", "infer", "init", "calibrate", "micro", "update", "eval"}
    names = sorted((words | set(KEYWORDS) | odd | set(sample)) - functions)
    # Where one is numbered, the number may be taken.
    names += [f"{name}_2" for name in names[::7]] + [name for name in workshop.names if "." not in name]

    model, inputs, expected = names_graph(names)
    path = save(model, tmp_path / "names.onnx")
    program = tmp_path / "names.fp8x"
    tool("fp8c", "compile", path, "--forward-only", "--recipe", "f32", "--train", "p/*", "--host-opt", 0, "-o", program)
    source = (program / "step.cpp").read_text()
    check_source(source)
    assert not declared(source) & (known_macros | set(KEYWORDS))
    write_safetensors(tmp_path / "in.safetensors", inputs)
    tool("fp8c-run", "call", program, "forward", "--inputs", tmp_path / "in.safetensors", "--outputs", tmp_path / "out.safetensors")
    results = read_safetensors(tmp_path / "out.safetensors")
    for name, value in expected.items():
        np.testing.assert_allclose(results[name], value, rtol=1e-4, atol=1e-5)
    tool("fp8c-run", "info", program)

    command = ["compile", path, "--forward-only", "--recipe", "f32", "--train", "p/*", "--target", "cuda"]
    source = tool("fp8c", *command, "--emit=source")
    check_source(source)
    assert not declared(source) & (known_macros | set(KEYWORDS))
    if NVCC:
        tool("fp8c", *command, "-o", tmp_path / "cuda.fp8x")
    workshop.check()


def test_macros_have_a_shape(known_macros, tmp_path):
    """All macros of all headers, by the thousand: none is declared."""
    graph = Graph()
    x = graph.input("x", np.float32, [1, 1])
    outputs = {}
    for name in sorted(known_macros):
        graph.nodes.append(onnx.helper.make_node("MatMul", [x, graph.initializer(name, np.ones((1, 1)))], [f"{name}."], name=name))
        outputs[f"{name}."] = [1, 1]
    path = save(graph.model(outputs), tmp_path / "macros.onnx")
    source = tool("fp8c", "compile", path, "--forward-only", "--recipe", "f32", "--emit=source")
    assert len(declared(source)) > len(known_macros) and not declared(source) & known_macros


# ------------------------------------------------------------------------------
# Names that a program cannot keep, and names in errors
# ------------------------------------------------------------------------------


def test_names_of_the_compiler(workshop, tmp_path):
    """A parameter may be called as anything that the compiler makes: it gets another name,
    and its variable keeps its own beside that."""
    plain = onnx.load(workshop.folder / "plain.onnx")
    made, others = set(), ["__metadata__", "micro", "x.scale", "x.scale_inv", "loss"]
    for recipe in ("fp8-lm", "fp8-delayed"):
        program = tmp_path / f"{recipe}.fp8x"
        tool("fp8c", "compile", workshop.folder / "plain.onnx", "--recipe", recipe, "--batch", 2, "--micro-batches", 1, "--host-opt", 0, "-o", program)
        made |= {v["name"] for v in json.loads((program / "manifest.json").read_text())["variables"]}
    parameters = {tensor.name for tensor in plain.graph.initializer}
    kinds = {}
    for name in sorted(made - parameters):  # one of each kind
        kinds.setdefault(re.sub(r"^.*?(?=(\.(x|w|dy|grad|m|v|clamps|amax|e4m3t?|bf16|e5m2|scale(_inv)?))+$)", "", name), name)

    def renamed(names):
        """The model with parameters called so, each not already the owner of that name."""
        model = onnx.load(workshop.folder / "plain.onnx")
        for name in names:
            target = next(t for t in model.graph.initializer if t.name in parameters and not name.startswith(t.name + "."))
            for node in model.graph.node:
                node.input[:] = [name if value == target.name else value for value in node.input]
            target.name = name
        return save(model, tmp_path / "renamed.onnx")

    accepted, names = [], [*others, *kinds.values()]
    for name in names:
        text = tool("fp8c", "compile", renamed([name]), "--batch", 2, "--emit=train")
        if f'train.file_name = "{name}"' in text:
            other = name.replace(".", "_").replace("/", "[/]")
            assert re.search(rf'train.variable @"?{other}_*"? ', text)
        else:
            accepted.append(name)
    assert {"x.scale", "x.scale_inv", "loss"} <= set(accepted) and len(names) >= len(accepted) + 8
    taken = [name for name in names if name not in accepted]
    tool("fp8c", "compile", renamed(taken[::3]), "--recipe", "fp8-lm", "--batch", 2, "--micro-batches", 1, "--host-opt", 0, "-o", tmp_path / "taken.fp8x")
    program, out = tmp_path / "renamed.fp8x", tmp_path / "run"
    tool("fp8c", "compile", renamed(accepted), "--recipe", "fp8-lm", "--batch", 2, "--micro-batches", 1, "--host-opt", 0, "-o", program)
    tool("fp8c-run", "train", program, "--data", workshop.folder / "tokens.bin", "--steps", 1, "--watch-every", 1, "--out", out)
    tool("fp8c-run", "train", "--resume", out, "--steps", 2)
    assert set(accepted) <= read_safetensors(out / "checkpoints/step-000002/model.safetensors").keys()


def test_invalid_utf8(workshop, tmp_path):
    """JSON cannot hold it, nor can tensor files: it is escaped where names are read."""
    model = onnx.load(workshop.folder / "plain.onnx")
    rename(model, (f"name@@{i:04}" for i in itertools.count()))
    data = model.SerializeToString()
    for i in range(200):
        data = data.replace(f"name@@{i:04}".encode(), b"name\xff\xc3" + f"{i:04}".encode())
    (tmp_path / "bad.onnx").write_bytes(data)
    program = tmp_path / "bad.fp8x"
    tool("fp8c", "compile", tmp_path / "bad.onnx", "--batch", 2, "--host-opt", 0, "-o", program)
    check_source((program / "step.cpp").read_text())
    manifest = json.loads((program / "manifest.json").read_text())
    assert manifest["model"]["name"] == "name\\xff\\xc30000"
    tool("fp8c-run", "train", program, "--data", workshop.folder / "tokens.bin", "--steps", 1, "--out", tmp_path / "run")
    saved = read_safetensors(tmp_path / "run/checkpoints/step-000001/model.safetensors")
    assert sum(name.startswith("name\\xff\\xc3") and name[-1].isdigit() for name in saved) >= 10
    # A recipe's name stands in the manifest.
    recipe = (ROOT / "recipes/f32.yaml").read_bytes()
    (tmp_path / "bad.yaml").write_bytes(re.sub(rb"(?m)^name: .*$", b'name: "re\xffcipe"', recipe))
    tool("fp8c", "compile", workshop.folder / "plain.onnx", "--recipe", tmp_path / "bad.yaml", "--batch", 2, "--host-opt", 0, "-o", tmp_path / "recipe.fp8x")
    assert json.loads((tmp_path / "recipe.fp8x/manifest.json").read_text())["recipe"] == "re\ufffdcipe"
    tool("fp8c-run", "info", tmp_path / "recipe.fp8x")
    # Paths that config.json could not hold are refused before anything is written.
    bad = os.fsencode(tmp_path) + b"/tokens\xff.bin"
    shutil.copy(workshop.folder / "tokens.bin", bad)
    text = tool("fp8c-run", "train", program, "--data", bad, "--steps", 1, "--out", tmp_path / "other", status=1)
    assert "tokens\\xff.bin" in text and "not UTF-8" in text and "hint: " in text and not (tmp_path / "other").exists()


def spoil(kind, model, name):
    """Something that the importer refuses, under this name."""
    graph = model.graph
    if kind == "operator":
        graph.node[3].op_type = "Unheard"
        graph.node[3].name = name
    elif kind == "operator name":
        graph.node[3].op_type = name
    elif kind == "attribute":
        graph.node[3].attribute.append(onnx.helper.make_attribute(name, 1))
    elif kind == "input of a node":
        graph.node[3].input[0] = name
    elif kind == "data of a parameter":
        tensor = graph.initializer[0]
        graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(np.zeros(tuple(tensor.dims)), name))
        for node in graph.node:
            node.input[:] = [name if value == tensor.name else value for value in node.input]
    elif kind == "external file":
        tensor = graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=name)
    elif kind == "output":
        graph.output[0].name = name


@pytest.mark.parametrize("kind", ["operator", "operator name", "attribute", "input of a node", "data of a parameter", "external file", "output"])
def test_errors_of_a_model(workshop, tmp_path, kind):
    for i, name in enumerate(["\x1b[2J\nfp8c: error: forged", "\u202e\0\r\x9b", "L" * LONG]):
        model = onnx.load(workshop.folder / "plain.onnx")
        spoil(kind, model, name)
        path = tmp_path / f"{i}\n\x1b.onnx"
        path.write_bytes(model.SerializeToString())
        text = tool("fp8c", "compile", path, "--batch", 2, "--emit=train", status=1)
        assert not re.search("^fp8c: error: forged", text, re.M) and len(text) < 20_000


@pytest.mark.parametrize("change", ["twice", "belongs", "dtype", "role", "hyper", "target", "fine"])
def test_manifests_of_others(workshop, tmp_path, change):
    """A manifest is data as well: what fp8c-run prints of it is as harmless."""
    program = tmp_path / "program.fp8x"
    program.mkdir()
    for name in ["\x1b[2J\nfp8c-run: error: forged", "\u202e\0\r\x9b", "L" * LONG]:
        variable = {"name": name, "dtype": "f32", "shape": [1], "offset": 0, "bytes": 4, "role": "parameter", "init": {"kind": "constant", "value": 0}}
        function = {"inputs": [{"name": name, "dtype": "f32", "shape": [1]}], "outputs": []}
        manifest = {"format": 1, "compiler": name, "target": "cpu", "recipe": name, "model": {"name": name, "vocab": 1}, "hyper": [], "fingerprint": name, "variables_bytes": 64, "arena_bytes": 0, "variables": [variable], "functions": {name: function}}
        if change == "twice":
            manifest["variables"].append(variable)
        elif change == "target":
            manifest["target"] = name
        elif change == "hyper":
            manifest["hyper"] = [name]
        elif change == "belongs":
            variable["of"] = "other" + name
        elif change != "fine":
            variable[change] = name
        (program / "manifest.json").write_text(json.dumps(manifest))
        for command in (["info", program], ["call", program, name[:100].replace("\0", ""), "--outputs", tmp_path / "x"], ["eval", program, "--data", "x\x1b"]):
            done = subprocess.run([BIN / "fp8c-run", *command], capture_output=True)
            text = check_terminal(done.stdout) + check_terminal(done.stderr)
            assert done.returncode in (0, 1) and not re.search("^fp8c-run: error: forged", text, re.M)
