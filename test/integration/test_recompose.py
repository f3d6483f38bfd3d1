"""What exporters took apart is put together again: an imported model is the same program as ours.

Forms of attention are generated and held against onnxruntime, those that only look like attention
among them; models of the set of exports against ours, and against themselves as they were exported.
"""

import itertools
import math
import re

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from support import call, run
from test_exports import NAMES, Export, archive

# ------------------------------------------------------------------------------
# Exports
# ------------------------------------------------------------------------------


def write_export(name, folder):
    path = folder / f"{name}.onnx"
    path.write_bytes(archive()[f"{name}/model.onnx"])
    return path


def normal(text):
    """Text of a module without names, first values and the numbers of constants; what no other program has to be equal in."""
    text = re.sub(r'(?:fp8\.name|fp8\.why|train\.model) = "[^"]*"(?:, )?', "", text)
    text = re.sub(r"(?:train\.result_names|arg_names) = \[[^\]]*\](?:, )?", "", text)
    text = re.sub(r"init = #train\.joined<.*?>\]>(?:, )?", "", text)
    text = re.sub(r"init = #train\.\w+<[^>]*>(?:, )?|(?:, )?train\.transposed", "", text)
    text = re.sub(r"((?:exec|arith)\.constant) .*", r"\1", text)
    text = re.sub(r",? }|(?<=\w) \{}", "}", text).replace(" {}", "")
    symbols = {}
    text = re.sub(r'@(?:"[^"]*"|[\w.$-]+)', lambda m: symbols.setdefault(m[0], f"@{len(symbols)}"), text)
    lines, values = [], {}
    for line in text.splitlines():
        if "func.func" in line:
            values = {}
        lines.append(re.sub(r"%[\w#]+", lambda m: values.setdefault(m[0], f"%{len(values)}"), line))
    return lines


def edit_gpt2(model):
    """Positions as exporters cut them, [1, T, C]."""
    for tensor in model.graph.initializer:
        if tensor.name == "wpe.weight":
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor)[None], tensor.name))


def edit_nanogpt(model):
    """The exact GELU."""
    for node in model.graph.node:
        if node.op_type == "Gelu":
            node.attribute[0].s = b"none"


def edit_qwen2(model):
    """Biases of queries, keys and values."""
    nodes = []
    for node in model.graph.node:
        nodes.append(node)
        if re.fullmatch(r"h\.\d+/attn/[qkv]", node.name):
            weight = next(t for t in model.graph.initializer if t.name == node.input[1])
            model.graph.initializer.append(numpy_helper.from_array(np.zeros(weight.dims[1], "f4"), f"{node.name}.bias"))
            output, node.output[0] = node.output[0], f"{node.name}.product"
            nodes.append(helper.make_node("Add", [node.output[0], f"{node.name}.bias"], [output], name=f"{node.name}.bias"))
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def fix_batch(model, batch):
    for value in *model.graph.input, *model.graph.output:
        value.type.tensor_type.shape.dim[0].dim_value = batch


GPT2 = ["gpt2", "--d-model", 24, "--heads", 3, "--vocab"]
LLAMA = ["--d-model", 32, "--heads", 4, "--kv-heads", 2, "--ffn", 40, "--vocab"]
OURS = {
    "gpt2": ([*GPT2, 67], edit_gpt2),
    "nanogpt": ([*GPT2, 65], edit_nanogpt),
    "llama": (["llama", *LLAMA, 71, "--untied"], None),
    "qwen2": (["llama", *LLAMA, 73, "--untied"], edit_qwen2),
    "qwen3": (["qwen", *LLAMA, 79, "--head-dim", 12, "--untied"], None),
}
# Exports of models of which fp8c writes the same: without a loss, weights of their own for the head, matrices as they are
# multiplied, and no more positions than tokens.
SAME = [
    "gpt2-d18-eager", "gpt2-d18-eager-mask-defaults", "gpt2-d20-sdpa-past", "nanogpt-d18-eager", "nanogpt-d23-sdpa",
    "nanogpt-ts20-eager-defaults", "llama-d18-sdpa", "llama-d18-eager-mask-defaults", "llama-d18-eager-mask-past",
    "llama-d20-sdpa-wrapped", "llama-d23-sdpa-dyn-mask", "llama-ts14-sdpa-dyn-mask", "qwen2-d18-eager",
    "qwen2-d20-sdpa-dyn-mask", "qwen2-ts17-sdpa-dyn-mask", "qwen3-ts17-eager-mask",
]  # fmt: skip


@pytest.mark.parametrize("recipe, recompute", [("f32", "none"), ("fp8-delayed", "none"), ("bf16", "block")])
@pytest.mark.parametrize("name", SAME)
def test_an_export_becomes_our_model(name, recipe, recompute, tmp_path):
    export = Export(name)
    options, edit = OURS[export.meta["family"]]
    ours = tmp_path / "ours.onnx"
    run("fp8c", "model", *options, "--layers", 2, "--seq", 13, "-o", ours)
    model = onnx.load(ours)
    if edit:
        edit(model)
    if not export.meta["dynamic"]:
        fix_batch(model, 3)
    onnx.save(model, ours)
    stage = ["--recipe", recipe, "--recompute", recompute, "--emit", "exec"]
    expected = normal(run("fp8c", "compile", ours, *stage, *export.options()))
    found = normal(run("fp8c", "compile", write_export(name, tmp_path), *stage, *export.options()))
    assert found == expected


@pytest.mark.parametrize("name", NAMES)
def test_nothing_stays_in_parts(name, tmp_path):
    export = Export(name)
    text = run("fp8c", "compile", write_export(name, tmp_path), "--recipe", "f32", "--emit", "train", "--remarks", *export.options())
    assert " = train.softmax " not in text and "stays in parts" not in text
    functions = text.count("func.func @forward") + text.count("func.func @infer")
    caps = functions if export.meta["family"] == "gemma2" else 0  # of logits
    assert len(re.findall(r" = train\.(?:tanh|erf) ", text)) == caps
    assert not re.search(r" = train\.(?:reduce_sum|rsqrt) ", text)


# Whose attention has more than keys hidden by their order.
ADDED = {"bloom", "mpt", "t5"}


@pytest.mark.parametrize("name", [name for name in NAMES if Export(name).meta["dynamic"] and Export(name).meta["family"] not in ADDED | {"vit"}])
def test_masks_of_many_sequences(name, tmp_path):
    """More than 2^24 numbers: they are not computed while compiling, and still known."""
    seq = np.shape(next(iter(Export(name).inputs.values())))[1]
    options = ["--recipe", "f32", "--emit", "train", "--batch", (1 << 24) // seq**2 + 1, "--seq", seq]
    text = run("fp8c", "compile", write_export(name, tmp_path), *options)
    assert " = train.softmax " not in text and " = train.compare " not in text
    assert ("#train.input<labels>" in text) == (Export(name).meta["kind"] == "encoder"), "whether tokens see those behind them"


FAMILIES = sorted({(Export(name).meta["family"], name.split("-")[-1] == "raw", Export(name).meta["exporter"]): name for name in NAMES}.values())


def compare_whole_and_parts(name, tmp_path, *options, **inputs):
    export = Export(name)
    model, results = write_export(name, tmp_path), []
    for parts in [], ["--keep-parts"]:
        program = tmp_path / f"{len(parts)}.fp8x"
        run("fp8c", "compile", model, "-o", program, "--recipe", "f32", "--host-opt", 0, *export.options(), *options, *parts)
        given = {**export.inputs, "targets": export.targets(), **inputs}
        manifest = (program / "manifest.json").read_text()
        results.append(call(program, "micro", {key: value for key, value in given.items() if f'"{key}"' in manifest}, folder=tmp_path))
    whole, parts = results
    assert whole["loss"] == pytest.approx(parts["loss"], rel=1e-6)
    gradients = [key for key in parts if key.endswith(".grad")]
    assert gradients
    total = math.sqrt(sum(np.square(parts[key].astype("f8")).sum() for key in gradients))
    for key in gradients:
        error, norm = np.linalg.norm(whole[key] - parts[key]), np.linalg.norm(parts[key])
        if np.isnan(norm) and options:  # 0 / 0, where a query sees nothing and the parts only mend what follows
            assert np.isfinite(whole[key]).all(), key
        elif norm < 1e-7 * total:  # of a key's bias, which has none but for rounding
            assert re.search(r"k_proj|key|query_key_value|c_attn", key) and np.linalg.norm(whole[key]) < 1e-7 * total, key
        else:
            assert error <= 1e-5 * norm, key


@pytest.mark.parametrize("name", FAMILIES)
def test_the_whole_computes_what_its_parts_do(name, tmp_path):
    compare_whole_and_parts(name, tmp_path)


PADDED = sorted({(Export(name).meta["family"], Export(name).meta["exporter"]): name for name in NAMES if "mask" in name}.values())


@pytest.mark.parametrize("name", PADDED)
def test_so_it_does_for_texts_that_are_filled_up(name, tmp_path):
    """One behind, one before its tokens, so that queries see nothing; one is whole."""
    tokens = next(value for value in Export(name).inputs.values() if value.dtype == np.int64).copy()
    tokens[tokens == 1] = 2
    tokens[0, -4:] = tokens[1, :3] = 1
    compare_whole_and_parts(name, tmp_path, "--pad", 1, input_ids=tokens)


# ------------------------------------------------------------------------------
# Forms of attention
# ------------------------------------------------------------------------------

BATCH, TOKENS, HEADS, WIDTH = 2, 7, 4, 6
LOWEST = float(np.finfo("f4").min)


class Graph:
    def __init__(self):
        self.nodes, self.tensors = [], []

    def constant(self, array):
        name = f"c{len(self.tensors)}"
        self.tensors.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def add(self, kind, *inputs, **attributes):
        names = [i if isinstance(i, str) else self.constant(i) for i in inputs]
        output = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, names, [output], name=output, **attributes))
        return output

    def reshape(self, value, *shape):
        return self.add("Reshape", value, np.array(shape, "i8"))

    def model(self, inputs, output):
        kinds = {name: TensorProto.INT64 if name == "lengths" else TensorProto.FLOAT for name in inputs}
        values = [helper.make_tensor_value_info(n, kinds[n], shape) for n, shape in inputs.items()]
        result = helper.make_tensor_value_info(output, TensorProto.FLOAT, None)
        graph = helper.make_graph(self.nodes, "attention", values, [result], self.tensors)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def lower(value, offset=0):
    """Matrices that are `value` for keys behind the query."""
    return np.where(np.arange(TOKENS)[None] > np.arange(TOKENS)[:, None] + offset, value, 0).astype("f4")


SLOPES = (0.5 ** np.arange(HEADS, dtype="f4"))[:, None, None]
RAMP = np.arange(TOKENS, dtype="f4")
# What is added or chosen, and how train.attention says it.
MASKS = {
    "none": (None, ""),
    "causal": (lower(-np.inf)[None, None], "causal"),
    "lowest": (np.tile(lower(LOWEST)[None, None], (BATCH, 1, 1, 1)), "causal"),
    "matrix": (lower(-1e9), "causal"),
    "zeros": (np.zeros((BATCH, 1, TOKENS, TOKENS), "f4"), ""),
    "where": (lower(1)[None, None] != 0, "causal"),
    "where-not": (lower(1)[None, None] == 0, "causal"),
    "later": (lower(-np.inf, 1)[None, None], "bias 1x1x7x7"),
    "window": (lower(-np.inf) + np.tril(np.full((TOKENS, TOKENS), -1e9, "f4"), -4), "causal window = 4"),
    "window-1": (lower(-np.inf) + np.tril(np.full((TOKENS, TOKENS), -1e9, "f4"), -1), "causal window = 1"),
    "window-alone": (np.tril(np.full((TOKENS, TOKENS), -1e9, "f4"), -4), "bias 1x1x7x7"),
    "padding": (np.where(np.arange(TOKENS) < [[[[5]]], [[[7]]]], 0, -np.inf).astype("f4") + np.zeros((1, 1, TOKENS, 1), "f4"), "bias 2x1x1x7"),
    "one-hole": (lower(-np.inf) + (np.arange(TOKENS * TOKENS).reshape(TOKENS, TOKENS) == 15) * np.float32(-1e9), "causal bias 1x1x7x7"),
    "weak": (lower(-100.0), "bias 1x1x7x7"),
    "slopes": (lower(-np.inf) + RAMP * SLOPES, "causal bias 1x4x1x7"),
    "slopes-alone": (RAMP * SLOPES, "bias 1x4x1x7"),
    "distances": (lower(-np.inf) - np.abs(RAMP - RAMP[:, None]) * SLOPES, "causal bias 1x4x7x7"),
    "blind-row": (np.minimum(lower(LOWEST), np.where(RAMP[:, None] == 3, LOWEST, 0)).astype("f4"), "bias 1x1x7x7"),
}
SCALES = ["scores", "quotient", "query", "both", "none"]
KEYS = ["own", "expand", "tile", "one"]
LAYOUTS = ["heads", "keys-turned", "merged"]


def attend(mask, scale, keys, layout, nan_safe=False, treat=None, inputs=None):
    """`treat` does to the scores what no mask of the table does, with further `inputs`."""
    graph = Graph()
    kv_heads = {"own": HEADS, "one": 1}.get(keys, 2)
    widths = {"q": HEADS * WIDTH, "k": kv_heads * WIDTH, "v": kv_heads * WIDTH}
    repeats = HEADS // kv_heads

    def split(name, turn=(0, 2, 1, 3)):
        heads = widths[name] // WIDTH
        value = graph.add("Transpose", graph.reshape(name, BATCH, TOKENS, heads, WIDTH), perm=turn)
        if heads == HEADS or name == "q":
            return value
        shape = [TOKENS, WIDTH] if turn[-1] == 3 else [WIDTH, TOKENS]
        if keys == "tile":
            return graph.add("Tile", value, np.array([1, repeats, 1, 1], "i8"))
        value = graph.reshape(value, BATCH, heads, 1, *shape)
        value = graph.add("Expand", value, np.array([BATCH, heads, repeats, *shape], "i8"))
        return graph.reshape(value, BATCH, HEADS, *shape)

    root = np.float32(1 / math.sqrt(WIDTH))
    q, v = split("q"), split("v")
    k = split("k", (0, 2, 3, 1)) if layout == "keys-turned" else graph.add("Transpose", split("k"), perm=[0, 1, 3, 2])
    if scale in ("query", "both"):
        q = graph.add("Mul", q, root if scale == "query" else np.sqrt(root))
    if scale == "both":
        k = graph.add("Mul", k, np.sqrt(root))
    if layout == "merged":
        q, k, v = (graph.reshape(x, BATCH * HEADS, *shape) for x, shape in ((q, (TOKENS, WIDTH)), (k, (WIDTH, TOKENS)), (v, (TOKENS, WIDTH))))
    scores = graph.add("MatMul", q, k)
    if layout == "merged":
        scores = graph.reshape(scores, BATCH, HEADS, TOKENS, TOKENS)
    if scale == "scores":
        scores = graph.add("Mul", scores, root)
    if scale == "quotient":
        scores = graph.add("Div", scores, np.float32(math.sqrt(WIDTH)))
    numbers = MASKS[mask][0]
    if mask == "where":
        scores = graph.add("Where", numbers, np.float32(LOWEST), scores)
    elif mask == "where-not":
        scores = graph.add("Where", numbers, scores, np.float32(-np.inf))
    elif numbers is not None:
        scores = graph.add("Add", scores, numbers)
    if treat:
        scores = treat(graph, scores)
    p = graph.add("Softmax", scores, axis=-1)
    if nan_safe:
        p = graph.add("Where", graph.add("IsNaN", p), np.float32(0), p)
    if layout == "merged":
        p = graph.reshape(p, BATCH * HEADS, TOKENS, TOKENS)
    out = graph.add("MatMul", p, v)
    if layout == "merged":
        out = graph.reshape(out, BATCH, HEADS, TOKENS, WIDTH)
    out = graph.reshape(graph.add("Transpose", out, perm=[0, 2, 1, 3]), BATCH, TOKENS, HEADS * WIDTH)
    return graph.model({**{name: (BATCH, TOKENS, width) for name, width in widths.items()}, **(inputs or {})}, out)


def said(text):
    """What ops of attention say besides their heads and scale."""
    for op in re.findall(r"train\.attention .*", text):
        words = ["causal"] if ", causal" in op or "{causal" in op else []
        words += re.findall(r"window = \d+|softcap = [\d.e+]+", op)
        words += [f"{kind} {size}" for kind, size in re.findall(r"(bias|lengths) tensor<([\dx]+)x[fi]\d+>", op)]
        yield " ".join(words)


def check(model, tmp_path, expected, remark, says=None):
    """Is the graph these ops and computes what onnxruntime does? Where it is not, does a remark say so?"""
    path, random = tmp_path / "model.onnx", np.random.default_rng(1)
    onnx.save(model, path)
    options = ["--recipe", "f32", "--forward-only"]
    text = run("fp8c", "compile", path, *options, "--emit", "train", "--remarks")
    if expected is None:  # one of both
        assert (" = train.softmax " in text) == (remark in text)
    else:
        for op, count in expected.items():
            assert text.count(f" = train.{op} ") + text.count(f", %{op} = ") == count, text
        assert (remark in text) == all(count == 0 for count in expected.values()), text
    if says is not None:
        assert list(said(text)) == [says]
    program = tmp_path / "program.fp8x"
    run("fp8c", "compile", path, *options, "--host-opt", 0, "-o", program)
    given = {}
    for value in model.graph.input:
        shape, of = [d.dim_value for d in value.type.tensor_type.shape.dim], value.type.tensor_type.elem_type
        given[value.name] = random.standard_normal(shape).astype("f4") if of == TensorProto.FLOAT else random.integers(1, TOKENS, shape)
    found = call(program, "forward", given, folder=tmp_path)[model.graph.output[0].name]
    reference = onnxruntime.SessionOptions()
    reference.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), reference)
    result = session.run(None, given)[0]
    seen = ~np.isnan(result)  # where a query sees no key, ours is 0
    assert np.abs(found - result)[seen].max() <= 1e-5 * np.abs(result[seen]).max()


# Every mask with every other choice at least once, without all of their products.
FORMS = [(mask, SCALES[i % len(SCALES)], KEYS[i % len(KEYS)], LAYOUTS[i % len(LAYOUTS)]) for i, mask in enumerate(MASKS)]
FORMS += [("causal", *rest) for rest in itertools.product(SCALES, KEYS, LAYOUTS) if (SCALES.index(rest[0]) + KEYS.index(rest[1])) % 3 == 0]


LEFT = "attention stays in parts: it "


@pytest.mark.parametrize("mask, scale, keys, layout", FORMS)
def test_forms_of_attention(mask, scale, keys, layout, tmp_path):
    check(attend(mask, scale, keys, layout), tmp_path, {"attention": 1}, LEFT, MASKS[mask][1])


@pytest.mark.parametrize("mask", ["causal", "later"])
def test_rows_cleared_of_nan(mask, tmp_path):
    check(attend(mask, "scores", "own", "heads", nan_safe=True), tmp_path, {"attention": 1}, LEFT, MASKS[mask][1])


def cap(graph, scores, value=3):
    bounded = graph.add("Tanh", graph.add("Div", scores, np.float32(value)))
    return graph.add("Mul", bounded, np.float32(value))


def causal(graph, scores):
    return graph.add("Add", scores, lower(-np.inf))


def hide(graph, scores, condition, number=LOWEST):
    return graph.add("Where", condition, np.float32(number), scores)


def before_length(graph, shape=(BATCH, 1, 1, 1)):
    return graph.add("Less", np.arange(TOKENS), graph.reshape("lengths", *shape))


MASK = {"added": (BATCH, 1, 1, TOKENS)}
LENGTHS = {"lengths": (BATCH,)}
# What is done to scores that is known only when the program runs, or is no mask: how train.attention says it.
TREATED = {
    "cap": (cap, {}, "softcap = 3.000000e+00"),
    "cap-causal": (lambda g, s: causal(g, cap(g, s)), {}, "causal softcap = 3.000000e+00"),
    "cap-scaled": (lambda g, s: cap(g, g.add("Mul", s, np.float32(2)), 1.5), {}, "softcap = 1.500000e+00"),
    "added": (lambda g, s: g.add("Add", "added", s), MASK, "bias 2x1x1x7"),
    "added-heads": (lambda g, s: g.add("Add", s, "added"), {"added": (HEADS, TOKENS, TOKENS)}, "bias 1x4x7x7"),
    "added-all": (lambda g, s: causal(g, g.add("Add", s, "added")), {"added": (BATCH, HEADS, TOKENS, TOKENS)}, "bias 2x4x7x7"),
    "added-scaled": (lambda g, s: g.add("Mul", g.add("Add", s, "added"), np.float32(0.7)), MASK, "bias 2x1x1x7"),
    "added-twice": (lambda g, s: g.add("Add", g.add("Add", s, "added"), "other"), {**MASK, "other": (TOKENS, TOKENS)}, "bias 2x1x7x7"),
    "added-slopes": (lambda g, s: g.add("Add", g.add("Add", s, "added"), RAMP * SLOPES), MASK, "bias 2x4x1x7"),
    "hidden": (lambda g, s: causal(g, hide(g, s, g.add("Greater", "added", np.float32(0.8)))), MASK, "bias 2x1x7x7"),
    "hidden-or": (lambda g, s: hide(g, s, g.add("Or", g.add("Greater", "added", np.float32(0.8)), lower(1) != 0)), MASK, "bias 2x1x7x7"),
    "hidden-twice": (lambda g, s: hide(g, hide(g, s, g.add("Greater", "added", np.float32(0.9))), g.add("Less", "added", np.float32(-0.9))), MASK, "bias 2x1x1x7"),
    "lengths": (lambda g, s: hide(g, s, g.add("Not", before_length(g)), -np.inf), LENGTHS, "lengths 2"),
    "lengths-causal": (lambda g, s: causal(g, hide(g, s, g.add("Not", before_length(g)), -np.inf)), LENGTHS, "causal lengths 2"),
    "lengths-low": (lambda g, s: hide(g, s, g.add("Not", before_length(g)), LOWEST), LENGTHS, "bias 2x1x1x7"),
    "lengths-slopes": (lambda g, s: hide(g, g.add("Add", s, RAMP * SLOPES), g.add("LessOrEqual", g.reshape("lengths", BATCH, 1, 1, 1), np.arange(TOKENS)), -np.inf), LENGTHS, "bias 1x4x1x7 lengths 2"),
    "lengths-of-queries": (lambda g, s: g.add("Where", g.add("LessOrEqual", np.arange(TOKENS)[:, None], g.reshape("lengths", BATCH, 1, 1, 1)), s, np.float32(LOWEST)), LENGTHS, "bias 2x1x7x1"),
    "ramp-from-1": (lambda g, s: hide(g, s, g.add("Less", g.reshape("lengths", BATCH, 1, 1, 1), np.arange(1, TOKENS + 1)), -np.inf), LENGTHS, "bias 2x1x1x7"),
}  # fmt: skip
# What it cannot say.
UNSAID = {
    "added-before-cap": (lambda g, s: cap(g, g.add("Add", s, "added")), MASK),
    "masked-before-cap": (lambda g, s: cap(g, causal(g, s)), {}),
    "cap-twice": (lambda g, s: cap(g, cap(g, s), 2), {}),
    "cap-negative": (lambda g, s: g.add("Mul", g.add("Tanh", s), np.float32(-2)), {}),
    "hidden-weakly": (lambda g, s: hide(g, s, g.add("Greater", "added", np.float32(0)), -3.0), MASK),
    "hidden-less-weakly": (lambda g, s: hide(g, s, g.add("Greater", "added", np.float32(0)), -1e9), MASK),
    "blind-weakly": (lambda g, s: hide(g, s, np.tile(RAMP[:, None] == 3, TOKENS), -1e4), {}),
    "weakly-and-more": (lambda g, s: g.add("Add", hide(g, s, lower(1) != 0, -1e9), "added"), MASK),
}


@pytest.mark.parametrize("treatment, layout", [*zip(TREATED, itertools.cycle(LAYOUTS)), ("added", "heads"), ("lengths", "merged")])
def test_what_is_done_to_scores(treatment, layout, tmp_path):
    treat, inputs, says = TREATED[treatment]
    check(attend("none", "scores", "own", layout, treat=treat, inputs=inputs), tmp_path, {"attention": 1}, LEFT, says)


@pytest.mark.parametrize("treatment", UNSAID)
def test_what_attention_cannot_say(treatment, tmp_path):
    treat, inputs = UNSAID[treatment]
    check(attend("none", "scores", "own", "heads", treat=treat, inputs=inputs), tmp_path, {"attention": 0}, LEFT)


def random_treatment(random):
    """Up to four things that are done to scores, one after the other, and the inputs that they have."""
    shapes = [(TOKENS, TOKENS), (HEADS, 1, TOKENS), (BATCH, 1, 1, TOKENS), (1, HEADS, TOKENS, TOKENS), (BATCH, HEADS, TOKENS, TOKENS)]
    inputs, steps = {}, []
    for _ in range(random.integers(1, 5)):
        kind = random.choice(["add", "hide", "keep", "low", "scale", "cap", "causal", "window", "slopes", "padding", "behind"])
        shape, numbers = shapes[random.integers(len(shapes))], f"given{len(inputs)}"
        if kind in ("add", "hide", "keep", "low") and random.random() < 0.5:
            inputs[numbers] = shape
        else:
            numbers = random.standard_normal(shape).astype("f4")
        steps.append((kind, numbers, np.float32(random.choice([LOWEST, -1e30, -1e9, -1e4])), random.integers(1, 5)))
        if kind in ("padding", "behind"):
            inputs["lengths"] = (BATCH,)

    def step(graph, scores, kind, numbers, low, count):
        if kind in ("scale", "cap"):
            return graph.add("Mul", scores, np.float32(count / 2)) if kind == "scale" else cap(graph, scores, count)
        if kind == "hide":
            return graph.add("Where", graph.add("Greater", numbers, np.float32(0.6)), low, scores)
        if kind == "keep":
            return graph.add("Where", graph.add("Less", numbers, np.float32(0.6)), scores, low)
        if kind == "behind":
            return graph.add("Where", before_length(graph), scores, low if count > 2 else np.float32(-np.inf))
        if kind == "padding":  # (mask - 1) * 1e9, as of integers that an exporter had
            mask = graph.add("Cast", before_length(graph), to=TensorProto.FLOAT)
            numbers = graph.add("Mul", graph.add("Sub", mask, np.float32(1)), -low)
        if kind == "low":
            numbers = graph.add("Where", graph.add("Greater", numbers, np.float32(0.6)), low, np.float32(0))
        masks = {"causal": lower(low), "window": np.tril(np.full((TOKENS, TOKENS), low, "f4"), -count), "slopes": RAMP * SLOPES}
        return graph.add("Add", scores, masks.get(kind, numbers))

    def treat(graph, scores):
        for values in steps:
            scores = step(graph, scores, *values)
        return scores

    return treat, inputs


@pytest.mark.parametrize("seed", range(30))
def test_what_is_done_at_random(seed, tmp_path):
    """Queries that see no key are among them: what the whole cannot do alike stays in parts."""
    random = np.random.default_rng(seed)
    treat, inputs = random_treatment(random)
    model = attend("none", "scores", KEYS[seed % len(KEYS)], LAYOUTS[seed % len(LAYOUTS)], nan_safe=seed % 5 == 0, treat=treat, inputs=inputs)
    check(model, tmp_path, None, LEFT)


# ------------------------------------------------------------------------------
# Forms of norms, activations and rotary embeddings
# ------------------------------------------------------------------------------

ROOTS = {
    "quotient": lambda g, x, u: g.add("Div", x, g.add("Sqrt", u)),
    "reciprocal": lambda g, x, u: g.add("Mul", x, g.add("Reciprocal", g.add("Sqrt", u))),
    "one-by": lambda g, x, u: g.add("Mul", x, g.add("Div", np.float32(1), g.add("Sqrt", u))),
    "power": lambda g, x, u: g.add("Mul", g.add("Pow", u, np.float32(-0.5)), x),
    "root-power": lambda g, x, u: g.add("Div", x, g.add("Pow", u, np.float32(0.5))),
}


def mean(graph, value, axis=-1, kind="mean"):
    if kind == "mean":
        return graph.add("ReduceMean", value, axes=[axis], keepdims=1)
    total = graph.add("ReduceSum", value, np.array([axis], "i8"), keepdims=1)
    return graph.add("Mul", total, np.float32(1 / 8)) if kind == "factor" else graph.add("Div", total, np.float32(8))


def norm(root="quotient", centred=True, weight=True, bias=True, kind="mean", square="pow", axis=-1, epsilons=1, outside=False, other=False):
    """Of x [2, 3, 8]; `outside`: epsilon is added to the root; `other`: what is divided is not what is squared."""
    graph, random = Graph(), np.random.default_rng(3)
    x = graph.add("Sub", "x", mean(graph, "x", axis, kind)) if centred else "x"
    under = graph.add("Pow", x, np.float32(2)) if square == "pow" else graph.add("Mul", x, x)
    under = mean(graph, under, axis, kind)
    for _ in range(0 if outside else epsilons):
        under = graph.add("Add", under, np.float32(1e-2))
    if outside:
        under = graph.add("Add", graph.add("Sqrt", under), np.float32(1e-2))
        under = graph.add("Mul", under, under)
    out = ROOTS[root](graph, graph.add("Mul", x, np.float32(3)) if other else x, under)
    if weight:
        out = graph.add("Mul", random.standard_normal(8).astype("f4"), out)
    if bias:
        out = graph.add("Add", out, random.standard_normal(8).astype("f4"))
    return graph.model({"x": (2, 3, 8)}, out)


NORMS = {
    **{root: ({"root": root}, "layer_norm") for root in ROOTS},
    **{f"rms-{root}": ({"root": root, "centred": False, "bias": False}, "rms_norm") for root in ROOTS},
    "sum-by": ({"kind": "quotient"}, "layer_norm"),
    "sum-times": ({"kind": "factor", "square": "mul"}, "layer_norm"),
    "no-weight": ({"weight": False, "bias": False}, "layer_norm"),
    "no-bias": ({"bias": False, "square": "mul"}, "layer_norm"),
    "bias-alone": ({"weight": False}, "layer_norm"),
    "rms-plain": ({"centred": False, "weight": False, "bias": False}, "rms_norm"),
    "rms-bias": ({"centred": False}, "rms_norm"),
    "axis": ({"axis": 1}, None),
    "rms-axis": ({"axis": 0, "centred": False}, None),
    "two-epsilons": ({"epsilons": 2}, None),
    "no-epsilon": ({"epsilons": 0}, None),
    "other": ({"other": True, "centred": False}, None),
}


@pytest.mark.parametrize("form", NORMS)
def test_forms_of_norms(form, tmp_path):
    settings, op = NORMS[form]
    check(norm(**settings), tmp_path, {op: 1} if op else {"layer_norm": 0, "rms_norm": 0}, "looks like a norm, but ")


def test_an_epsilon_beside_the_root_is_no_norm(tmp_path):
    check(norm(outside=True), tmp_path, {"layer_norm": 0, "rms_norm": 0}, "looks like a norm, but ")


def polynomial(graph, form, slope, cubic):
    cube = graph.add("Pow", "x", np.float32(3))
    if form == "inside":
        return graph.add("Mul", graph.add("Add", "x", graph.add("Mul", cube, np.float32(cubic))), np.float32(slope))
    if form == "squares":  # slope x (1 + cubic x x)
        square = graph.add("Mul", graph.add("Mul", "x", np.float32(cubic)), "x")
        return graph.add("Mul", graph.add("Mul", "x", np.float32(slope)), graph.add("Add", square, np.float32(1)))
    return graph.add("Add", graph.add("Mul", "x", np.float32(slope)), graph.add("Mul", cube, np.float32(slope * cubic)))


ENDS = {
    "half-x": lambda g, f: g.add("Mul", g.add("Mul", "x", np.float32(0.5)), g.add("Add", f, np.float32(1))),
    "half-sum": lambda g, f: g.add("Mul", "x", g.add("Mul", g.add("Add", np.float32(1), f), np.float32(0.5))),
    "half-last": lambda g, f: g.add("Div", g.add("Mul", "x", g.add("Add", f, np.float32(1))), np.float32(2)),
}
SLOPE = math.sqrt(2 / math.pi)
GELUS = {f"{form}-{end}": ("Tanh", form, end, SLOPE, 0.044715, True) for form, end in itertools.product(["inside", "squares", "outside"], ENDS)}
GELUS |= {f"erf-{end}": ("Erf", "line", end, math.sqrt(0.5), 0, True) for end in ENDS}
GELUS |= {
    "other-slope": ("Tanh", "inside", "half-x", 0.8, 0.044715, False),
    "other-cubic": ("Tanh", "inside", "half-last", SLOPE, 0.0447, False),
    "other-root": ("Erf", "line", "half-sum", 0.7, 0, False),
}


@pytest.mark.parametrize("form", GELUS)
def test_forms_of_gelu(form, tmp_path):
    function, argument, end, slope, cubic, whole = GELUS[form]
    graph = Graph()
    inner = polynomial(graph, argument, slope, cubic) if cubic else graph.add("Div", "x", np.float32(1 / slope))
    model = graph.model({"x": (2, 3, 8)}, ENDS[end](graph, graph.add(function, inner)))
    check(model, tmp_path, {"gelu": whole}, "looks like a GELU, but has other numbers")


@pytest.mark.parametrize("form", ["reciprocal", "one-by", "x-by", "times"])
def test_forms_of_the_sigmoid(form, tmp_path):
    graph = Graph()
    negated = graph.add("Mul", "x", np.float32(-1)) if form == "times" else graph.add("Neg", "x")
    divisor = graph.add("Add", np.float32(1), graph.add("Exp", negated))
    if form == "reciprocal":
        out = graph.add("Reciprocal", divisor)
    else:
        out = graph.add("Div", "x" if form == "x-by" else np.float32(1), divisor)
    check(graph.model({"x": (2, 3, 8)}, out), tmp_path, {"sigmoid": 1}, "looks like")


def rotate(form, features=8, rotated=8, tokens_first=False, spoiled=False):
    """Of x [2, 5, 3 * features]; `spoiled`: one angle is not that of its pair."""
    graph, heads, tokens = Graph(), 3, 5
    angles = np.arange(tokens)[:, None] * 100.0 ** (-np.arange(rotated // 2) / (rotated // 2))
    x = graph.reshape("x", 2, tokens, heads, features)
    if not tokens_first:
        x = graph.add("Transpose", x, perm=[0, 2, 1, 3])

    def table(function):
        numbers = np.repeat(function(angles), 2, axis=1) if form == "neighbours" else np.tile(function(angles), 2)
        if form in ("parts", "pairs"):
            numbers = function(angles)
        if spoiled:
            numbers[3, 1] += 0.25
        return numbers.astype("f4")[None, :, None] if tokens_first else numbers.astype("f4")[None, None]

    def cut(value, first, last, step=1):
        return graph.add("Slice", value, np.array([first], "i8"), np.array([last], "i8"), np.array([-1], "i8"), np.array([step], "i8"))

    whole, rest = x, None
    if rotated < features:
        x, rest = cut(whole, 0, rotated), cut(whole, rotated, features)
    cos, sin, half = table(np.cos), table(np.sin), rotated // 2
    if form == "halves":  # x cos + (-second, first) sin
        turned = graph.add("Concat", graph.add("Neg", cut(x, half, rotated)), cut(x, 0, half), axis=-1)
        out = graph.add("Add", graph.add("Mul", x, cos), graph.add("Mul", turned, sin))
    elif form == "parts":  # the halves by themselves
        a, b = cut(x, 0, half), cut(x, half, rotated)
        first = graph.add("Sub", graph.add("Mul", a, cos), graph.add("Mul", b, sin))
        out = graph.add("Concat", first, graph.add("Add", graph.add("Mul", b, cos), graph.add("Mul", a, sin)), axis=-1)
    else:
        shape = [2, tokens, heads] if tokens_first else [2, heads, tokens]
        a, b = cut(x, 0, rotated, 2), cut(x, 1, rotated, 2)

        def stack(first, second):
            pair = [graph.reshape(part, *shape, half, 1) for part in (first, second)]
            return graph.reshape(graph.add("Concat", *pair, axis=-1), *shape, rotated)

        if form == "neighbours":
            out = graph.add("Add", graph.add("Mul", x, cos), graph.add("Mul", stack(graph.add("Neg", b), a), sin))
        else:
            first = graph.add("Sub", graph.add("Mul", a, cos), graph.add("Mul", b, sin))
            out = stack(first, graph.add("Add", graph.add("Mul", a, sin), graph.add("Mul", b, cos)))
    if rest:
        out = graph.add("Concat", out, rest, axis=-1)
    if not tokens_first:
        out = graph.add("Transpose", out, perm=[0, 2, 1, 3])
    return graph.model({"x": (2, tokens, heads * features)}, graph.reshape(out, 2, tokens, heads * features))


@pytest.mark.parametrize("rotated", [8, 4])
@pytest.mark.parametrize("tokens_first", [False, True])
@pytest.mark.parametrize("form", ["halves", "parts", "neighbours", "pairs"])
def test_forms_of_rotary_embeddings(form, tokens_first, rotated, tmp_path):
    check(rotate(form, 8, rotated, tokens_first), tmp_path, {"rotary": 1}, "looks like a rotary")


@pytest.mark.parametrize("form", ["halves", "neighbours"])
def test_a_pair_of_two_angles_is_not_rotated(form, tmp_path):
    check(rotate(form, spoiled=True), tmp_path, {"rotary": 0}, "looks like a rotary")


# ------------------------------------------------------------------------------
# What only looks alike
# ------------------------------------------------------------------------------


def weights(*shape):
    return np.random.default_rng(5).standard_normal(shape).astype("f4")


def test_products_move_upwards_alone(tmp_path):
    """The first one's bias stands behind what uses the second one."""
    graph = Graph()
    first, second = graph.add("MatMul", "x", weights(8, 8)), graph.add("MatMul", "x", weights(8, 8) * 2)
    gate = graph.add("Tanh", second)
    model = graph.model({"x": (2, 3, 8)}, graph.add("Mul", graph.add("Add", first, weights(8)), gate))
    check(model, tmp_path, {"matmul": 2}, "looks like")


def test_heads_that_are_turned_twice(tmp_path):
    """Two factors of the heads change places: queries cannot be taken as they lie."""
    graph = Graph()
    q = graph.add("Transpose", graph.reshape("q", 1, 3, 2, 2, 2, 8), perm=[0, 1, 2, 4, 3, 5])
    q = graph.add("Transpose", graph.reshape(q, 1, 3, 4, 2, 8), perm=[0, 2, 3, 1, 4])
    scores = graph.add("MatMul", graph.reshape(q, 1, 8, 3, 8), "k")
    out = graph.add("MatMul", graph.add("Softmax", scores, axis=-1), "v")
    check(graph.model({"q": (1, 3, 64), "k": (1, 8, 8, 3), "v": (1, 8, 3, 8)}, out), tmp_path, {"attention": 1}, "attention stays in parts")


def test_values_of_another_width_stay_in_parts(tmp_path):
    graph = Graph()
    scores = graph.add("MatMul", "q", graph.add("Transpose", "k", perm=[0, 1, 3, 2]))
    out = graph.add("MatMul", graph.add("Softmax", scores, axis=-1), "v")
    check(graph.model({"q": (2, 3, 5, 6), "k": (2, 3, 5, 6), "v": (2, 3, 5, 4)}, out), tmp_path, {"attention": 0}, "attention stays in parts")


def test_integers_are_not_rotated(tmp_path):
    graph = Graph()
    x = graph.add("Cast", "x", to=TensorProto.INT64)
    a, b = (graph.add("Slice", x, np.array([i], "i8"), np.array([i + 2], "i8"), np.array([-1], "i8")) for i in (0, 2))
    out = graph.add("Add", x, graph.add("Concat", graph.add("Neg", b), a, axis=-1))
    model = graph.model({"x": (1, 2, 3, 4)}, graph.add("Cast", out, to=TensorProto.FLOAT))
    check(model, tmp_path, {"add": 1}, "looks like")


@pytest.mark.parametrize("target", ["cpu", "cuda"])
def test_attention_of_inputs_and_products_is_of_one_type(target, tmp_path):
    graph = Graph()
    split = lambda value: graph.add("Transpose", graph.reshape(value, 2, 5, 2, 8), perm=[0, 2, 1, 3])
    q, k, v = split(graph.add("MatMul", "x", weights(16, 16))), split(graph.add("MatMul", "x", weights(16, 16))), split("v")
    scores = graph.add("MatMul", q, graph.add("Transpose", k, perm=[0, 1, 3, 2]))
    model = graph.model({"x": (2, 5, 16), "v": (2, 5, 16)}, graph.add("MatMul", graph.add("Softmax", scores, axis=-1), v))
    onnx.save(model, tmp_path / "model.onnx")
    text = run("fp8c", "compile", tmp_path / "model.onnx", "--recipe", "bf16", "--forward-only", "--target", target, "--emit", "exec")
    assert "exec.attention " in text
