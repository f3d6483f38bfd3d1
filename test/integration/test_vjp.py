"""Gradients of compiled programs against finite differences.

Every case is a few ONNX nodes y(p) of parameters p, with the loss sum(c * y)
for a fixed random c. fp8c compiles the cases of a group into one program, whose
loss is the sum of theirs: their gradients do not mix. The oracle is onnx's
reference evaluator in float64; it shares no code with the compiler.

Tolerance
---------
u = 2^-24 is the unit roundoff of f32 and g the gradient, by central differences
with h = 1e-5 in float64. Their own error is h^2/6 |y'''| + 2^-52 |y| / h, below
1e-9 for sums of some ten values around 1: a thousandth of what follows.

What remains is the rounding of the program in f32. Each rounding multiplies an
intermediate by (1 + d), |d| <= u. Its effect on g is bounded by one of two
sums, both measured from the oracle:

  S = sum_j |c_j dy_j/dp|     the terms that the gradient is the sum of. A
                              rounding of a cotangent or of a partial sum changes
                              g by at most u S (Higham, Accuracy and Stability
                              of Numerical Algorithms, section 3.1).
  C = |dg/dp| |p|             the condition of the gradient. A rounding of a value
                              of the forward pass acts like a relative change
                              of the parameters it is made of. Measured with
                              changes of random signs, which gives the root of
                              the squares' sum.

Of these roundings there are at most n, one after another, on a path from a
parameter through the forward pass and back: 16 in the elementary operations
(GELU by tanh, the longest, has 14; exp, tanh, erf count for 3 each, their error
in units in the last place) and one for each term of the longest sum. So

  |computed - g| <= n u (S + C),   n = 16 + terms of the longest sum

which is between 1e-6 and 3e-6 of S + C. Where nothing depends on an element (a
row that is never looked up) S = C = 0, and its gradient must be exactly zero.
"""

import itertools
import zlib
from dataclasses import dataclass, field
from math import erf, prod

import numpy as np
import pytest
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

from support import Graph, call, compile_model, run, save

UNIT_ROUNDOFF = 2.0**-24
STEP = 1e-5  # of the differences
RESOLUTION = 1e-9  # of the differences, as above
PROBES = 3  # random changes of all parameters, to measure the condition

# ------------------------------------------------------------------------------
# Cases
# ------------------------------------------------------------------------------


@dataclass
class Case:
    """`build` adds the nodes to a graph, given the names of the parameters and
    inputs, and returns the name of y. `terms`: of the longest sum in forward or
    backward pass."""

    name: str
    parameters: dict
    build: callable
    terms: int = 1
    inputs: dict = field(default_factory=dict)
    group: str = ""

    def path(self, parameter):
        return f"{self.name}/{parameter}.weight"

    def random(self, salt=""):
        return np.random.default_rng(zlib.crc32((self.name + salt).encode()))


def f32(values):
    """Values that both programs can hold exactly, the one in f32 and the oracle."""
    return np.asarray(np.asarray(values, np.float32), np.float64)


DRAWS = itertools.count()


def draw(*shape, low=-1.0, high=1.0):
    """Uniform values, others at every call: equal matrices would be one parameter."""
    random = np.random.default_rng([next(DRAWS), zlib.crc32(repr((shape, low, high)).encode())])
    return f32(random.uniform(low, high, shape))


def positive(*shape):
    return draw(*shape, low=0.3, high=1.5)


def apart(*shape):
    """Values of both signs that stay away from zero, where abs and relu have
    their edges and division its pole."""
    values = positive(*shape)
    signs = np.random.default_rng(prod(shape) + 1).choice([-1, 1], shape)
    return values * signs


def unary(kind, value, **attributes):
    return Case(kind.lower(), {"x": value}, lambda g, x: g.op(kind, x, **attributes))


def named(name, case):
    case.name = name
    return case


def text(shape):
    return "x".join(map(str, shape)) or "scalar"


# Operands as kernels read them: whole, scalar, trailing dimensions, one number
# per row; and those that must be repeated first, in one operand or both.
BROADCASTS = [
    ((2, 3, 4), (2, 3, 4)),
    ((2, 3, 4), ()),
    ((1,), (2, 3, 4)),
    ((2, 3, 4), (4,)),
    ((1, 3, 4), (2, 3, 4)),
    ((2, 3, 4), (2, 3, 1)),
    ((2, 1, 4), (2, 3, 4)),
    ((2, 3, 4), (3, 1)),
    ((2, 1, 1), (2, 3, 4)),
    ((2, 1, 4), (3, 1)),
    ((), ()),
]


def binary(kind, a, b):
    draws = {"Pow": (positive, draw), "Div": (draw, apart)}.get(kind, (draw, draw))
    parameters = {"a": draws[0](*a), "b": draws[1](*b)}
    terms = max(24 // max(prod(a), 1), 24 // max(prod(b), 1))
    return Case(
        f"{kind.lower()}-{text(a)}-{text(b)}", parameters, lambda g, a, b: g.op(kind, a, b), terms
    )


def power(exponent, value):
    """A constant exponent: compilers like to rewrite these."""
    name = f"pow-{exponent}-{np.asarray(exponent).dtype.kind}"
    return Case(name, {"x": value}, lambda g, x: g.op("Pow", x, g.constant(exponent)))


ELEMENTWISE = [
    *(binary(kind, a, b) for kind in ("Add", "Sub", "Mul", "Div", "Pow") for a, b in BROADCASTS),
    unary("Neg", draw(3, 4)),
    unary("Abs", apart(3, 4)),
    unary("Exp", draw(3, 4)),
    unary("Log", positive(3, 4)),
    unary("Sqrt", positive(3, 4)),
    unary("Reciprocal", apart(3, 4)),
    unary("Tanh", draw(3, 4)),
    unary("Sigmoid", draw(3, 4, low=-3.0, high=3.0)),
    unary("Erf", draw(3, 4)),
    unary("Relu", apart(3, 4)),
    unary("Swish", draw(3, 4)),
    named("swish-alpha", unary("Swish", draw(3, 4), alpha=1.5)),
    unary("Gelu", draw(3, 4, low=-3.0, high=3.0)),
    named("gelu-tanh", unary("Gelu", draw(3, 4, low=-3.0, high=3.0), approximate="tanh")),
    unary("Identity", draw(3, 4)),
    power(2.0, draw(3, 4)),
    power(3.0, draw(3, 4)),
    power(0.5, positive(3, 4)),
    power(-1.5, positive(3, 4)),
    power(2, draw(3, 4)),
    Case("sum", {n: draw(3, 4) * f32(s) for n, s in (("a", 1), ("b", 0.5), ("c", 2))},
         lambda g, a, b, c: g.op("Sum", a, b, c)),
    Case("used-twice", {"x": draw(3, 4)}, lambda g, x: g.op("Add", x, g.op("Mul", x, x)), 2),
    Case("cast", {"x": draw(3, 4)}, lambda g, x: g.op("Mul", g.op("CastLike", x, x), x), 2),
]  # fmt: skip


def reduction(kind, axes, keepdims, value=None):
    def build(g, x):
        inputs = [x] if axes is None else [x, g.constant(np.array(axes))]
        return g.op(kind, *inputs, keepdims=keepdims)

    name = f"{kind.lower()}-{'all' if axes is None else text(axes)}-{keepdims}"
    value = draw(2, 3, 4) if value is None else value
    return Case(name, {"x": value}, build, terms=24)


REDUCTIONS = [
    reduction(kind, axes, keepdims)
    for kind in ("ReduceSum", "ReduceMean")
    for axes in ([0], [1], [-1], [0, 1], [1, 2], [0, 2], [0, 1, 2], None)
    for keepdims in (0, 1)
] + [
    reduction("ReduceL1", [-1], 0, apart(2, 3, 4)),
    reduction("ReduceL2", [1], 1),
    reduction("ReduceSumSquare", [0, 2], 0),
]


def softmax(kind, *shape, axis):
    name = f"{kind.lower()}-{text(shape)}-{axis}"
    return Case(name, {"x": draw(*shape)}, lambda g, x: g.op(kind, x, axis=axis), shape[axis] + 2)


def norm(kind, x, axis, *parameters, **attributes):
    """`parameters` are named w and, where there is one, b."""
    values = {"x": draw(*x), **{n: draw(*shape) for n, shape in zip("wb", parameters)}}
    name = f"{kind.lower()}-{text(x)}-{axis}-{len(parameters)}"
    terms = prod(x[axis:]) + prod(x[: axis % len(x)])
    return Case(name, values, lambda g, *v: g.op(kind, *v, axis=axis, **attributes), terms)


def layer_norm_statistics(g, x, w):
    """Mean and deviation are outputs, which have gradients of their own."""
    y, mean, inverse = g.op("LayerNormalization", x, w, outputs=3, axis=-1, epsilon=1e-3)
    return g.op("Mul", g.op("Mul", y, mean), inverse)


NORMS = [
    softmax("Softmax", 3, 5, axis=-1),
    softmax("Softmax", 2, 5, 3, axis=1),
    softmax("LogSoftmax", 3, 5, axis=-1),
    softmax("LogSoftmax", 5, 3, axis=0),
    norm("LayerNormalization", (2, 3, 5), -1, (5,), (5,)),
    norm("LayerNormalization", (2, 3, 5), -1, (5,)),
    norm("LayerNormalization", (2, 3, 4), -2, (3, 4), (3, 4), epsilon=1e-2),
    norm("RMSNormalization", (2, 3, 5), -1, (5,), epsilon=1e-3),
    norm("RMSNormalization", (2, 3, 4), -2, (3, 4)),
    Case("layernormalization-statistics", {"x": draw(2, 3, 5), "w": draw(5)}, layer_norm_statistics, 16),
]


def matmul(a, b, transpose_a=None, transpose_b=None):
    def build(g, a, b):
        a = g.op("Transpose", a, perm=transpose_a) if transpose_a else a
        b = g.op("Transpose", b, perm=transpose_b) if transpose_b else b
        return g.op("MatMul", a, b)

    name = f"matmul-{text(a)}{'t' if transpose_a else ''}-{text(b)}{'t' if transpose_b else ''}"
    return Case(name, {"a": draw(*a), "b": draw(*b)}, build, terms=24)


def gemm(a, b, *c, **attributes):
    values = {"a": draw(*a), "b": draw(*b), **({"c": draw(*c[0])} if c else {})}
    name = "gemm-" + "-".join(map(text, (a, b, *c))) + f"-{len(attributes)}"
    return Case(name, values, lambda g, *v: g.op("Gemm", *v, **attributes), terms=12)


PRODUCTS = [
    matmul((3, 4), (4, 5)),
    matmul((2, 3, 4), (4, 5)),
    matmul((2, 3, 4), (2, 4, 5)),
    matmul((2, 2, 3, 4), (2, 2, 4, 5)),
    matmul((2, 1, 3, 4), (3, 4, 5)),
    matmul((4, 3), (5, 4), [1, 0], [1, 0]),
    matmul((2, 3, 4), (5, 4), None, [1, 0]),
    matmul((2, 4, 3), (2, 5, 4), [0, 2, 1], [0, 2, 1]),
    matmul((2, 3, 4), (2, 3, 5), [0, 2, 1], None),
    matmul((4,), (4, 5)),
    matmul((3, 4), (4,)),
    matmul((4,), (4,)),
    gemm((3, 4), (4, 5)),
    gemm((3, 4), (4, 5), (5,), alpha=0.5, beta=2.0),
    gemm((4, 3), (5, 4), (3, 1), transA=1, transB=1, alpha=1.5),
]


def shaped(kind, shape, *numbers, **attributes):
    """An operator that only moves elements, with integers for its other inputs."""
    name = "-".join([kind.lower(), text(shape), *("".join(map(str, n)) for n in numbers), str(len(attributes))])
    constants = [np.array(n, np.int64) for n in numbers]
    return Case(
        name + "".join(map(str, attributes.values())).replace(" ", ""),
        {"x": draw(*shape)},
        lambda g, x: g.op(kind, x, *map(g.constant, constants), **attributes),
        terms=4,
    )


def split_parts(g, x):
    """Every part is used, and one twice."""
    a, b, c = g.op("Split", x, g.constant(np.array([1, 3, 2])), outputs=3, axis=1)
    return g.op("Concat", g.op("Mul", a, c), b, a, axis=1)


def split_unused(g, x):
    return g.op("Split", x, outputs=3, axis=-1, num_outputs=3)[1]


SHAPES = [
    shaped("Reshape", (2, 6), (3, 4)),
    shaped("Reshape", (2, 3, 4), (0, -1)),
    shaped("Flatten", (2, 3, 4), axis=2),
    shaped("Squeeze", (2, 1, 3), (1,)),
    shaped("Unsqueeze", (2, 3), (0, 2)),
    shaped("Transpose", (3, 4), perm=[1, 0]),
    shaped("Transpose", (2, 3, 4), perm=[2, 0, 1]),
    shaped("Transpose", (2, 3, 2, 2), perm=[0, 2, 1, 3]),
    shaped("Expand", (3, 1), (2, 3, 4)),
    shaped("Expand", (2, 1, 4), (2, 3, 4)),
    shaped("Tile", (2, 3), (2, 2)),
    shaped("Slice", (4, 8), (1, 0), (4, 7), (0, 1), (2, 3)),
    shaped("Slice", (2, 3, 5), (-2,), (100,), (2,)),
    Case("split", {"x": draw(2, 6)}, split_parts, 3),
    Case("split-unused", {"x": draw(2, 6)}, split_unused),
    Case("concat", {"a": draw(2, 3), "b": draw(2, 1)}, lambda g, a, b: g.op("Concat", a, b, a, axis=1), 2),
    Case("concat-rows", {"a": draw(2, 3), "b": draw(1, 3)}, lambda g, a, b: g.op("Concat", a, b, axis=0)),
]


def attention(heads, kv_heads, q, k, v, **attributes):
    name = f"attention-{heads}-{kv_heads}-{text(q)}-{text(k)}-" + "-".join(attributes)
    build = lambda g, *qkv: g.op(
        "Attention", *qkv, q_num_heads=heads, kv_num_heads=kv_heads, **attributes
    )
    return Case(name, {"q": draw(*q), "k": draw(*k), "v": draw(*v)}, build, terms=4 * k[1])


def attention_of_heads(g, q, k, v):
    return g.op("Attention", q, k, v, is_causal=1)


def scored(bias=None, cap=None, causal=False, window=None, lengths=None, queries=4, keys=4, heads=2, kv_heads=2):
    """Attention of two sequences and heads of 3, in parts, with what its scores can have. `bias` is a shape."""
    parameters = {"q": draw(2, heads, queries, 3), "k": draw(2, kv_heads, 3, keys), "v": draw(2, kv_heads, keys, 3)}
    if bias:
        parameters["bias"] = draw(*bias)
    t, s = np.arange(queries)[:, None], np.arange(keys)
    sees = (s <= t if causal or window else t == t) & (s > t - (window or 9))

    def share(g, x, shape):
        if heads == kv_heads:
            return x
        apart = g.op("Reshape", x, g.constant(np.array([2, kv_heads, 1, *shape])))
        spread = g.op("Expand", apart, g.constant(np.array([2, kv_heads, heads // kv_heads, *shape])))
        return g.op("Reshape", spread, g.constant(np.array([2, heads, *shape])))

    def build(g, q, k, v, *rest):
        rest = list(rest)
        scores = g.op("Mul", g.op("MatMul", q, share(g, k, (3, keys))), g.constant(f32(0.6)))
        if cap:
            scores = g.op("Mul", g.op("Tanh", g.op("Div", scores, g.constant(f32(cap)))), g.constant(f32(cap)))
        if bias:
            scores = g.op("Add", scores, rest.pop(0))
        if not sees.all():
            scores = g.op("Where", g.constant(sees), scores, g.constant(f32(-np.inf)))
        if lengths:
            seen = g.op("Less", g.constant(s), g.op("Reshape", rest.pop(0), g.constant(np.array([2, 1, 1, 1]))))
            scores = g.op("Where", seen, scores, g.constant(f32(-np.inf)))
        return g.op("MatMul", g.op("Softmax", scores, axis=-1), share(g, v, (keys, 3)))

    words = [f"bias-{text(bias)}" if bias else "", f"cap-{cap}" if cap else "", "causal" if causal else ""]
    words += [f"window-{window}" if window else "", "lengths" if lengths else "", f"{queries}x{keys}", f"{heads}-{kv_heads}"]
    inputs = {"lengths": np.array(lengths)} if lengths else {}
    return Case("-".join(["scores", *filter(None, words)]), parameters, build, 4 * keys, inputs)


def rotary(name, width, positions=None, **attributes):
    angles = np.outer(np.arange(5), [1.0, 0.3, 0.1][: width // 2])
    tables = [f32(np.cos(angles)), f32(np.sin(angles))]
    if positions is None:
        tables = [np.broadcast_to(t[:3], (2, 3, width // 2)) for t in tables]

    def build(g, x):
        constants = [g.constant(t) for t in tables]
        if positions is not None:
            constants.append(g.constant(np.array(positions)))
        return g.op("RotaryEmbedding", x, *constants, num_heads=2, **attributes)

    return Case(f"rotary-{name}", {"x": draw(2, 3, 8)}, build, terms=2)


ATTENTIONS = [
    attention(2, 2, (2, 3, 4), (2, 3, 4), (2, 3, 4)),
    attention(2, 2, (2, 3, 4), (2, 3, 4), (2, 3, 4), is_causal=1),
    attention(4, 2, (1, 3, 8), (1, 3, 4), (1, 3, 4), is_causal=1, scale=0.7),
    attention(4, 1, (1, 2, 8), (1, 4, 2), (1, 4, 2)),
    attention(2, 1, (1, 3, 4), (1, 3, 2), (1, 3, 3), scale=1.5),
    Case("attention-heads", {n: draw(1, 2, 3, 2) * f32(s) for n, s in (("q", 1), ("k", 0.5), ("v", 2))},
         attention_of_heads, terms=12),
    scored(cap=1.5),
    scored(cap=0.7, causal=True, heads=4),
    scored(causal=True, window=1),
    scored(causal=True, window=3, heads=4),
    scored(lengths=[3, 1]),
    scored(causal=True, lengths=[4, 2]),
    *(scored(bias=shape) for shape in [(2, 2, 4, 4), (1, 2, 4, 4), (2, 1, 4, 4), (4, 4), (2, 1, 1, 4), (2, 1, 4), (2, 2, 4, 1), (1,)]),
    scored(bias=(4, 4, 4), heads=4, causal=True),
    scored(bias=(2, 1, 4), causal=True, window=2),
    scored(bias=(1, 2, 4, 4), cap=1.5, causal=True, window=3, lengths=[3, 4]),
    scored(bias=(2, 3, 5), queries=3, keys=5),
    scored(bias=(5, 3), queries=5, keys=3, causal=True, cap=2),
    rotary("half", 4),
    rotary("interleaved", 4, interleaved=1),
    rotary("partial", 2, rotary_embedding_dim=2),
    rotary("positions", 4, positions=[[0, 2, 4], [1, 1, 3]]),
]  # fmt: skip

IDS = np.array([[1, 4, 1], [0, 1, 4]])  # 1 and 4 are repeated, 2 and 3 unused
LABELS = np.array([[2, -100, 0], [4, 2, -100]])


def tied(g, table, ids):
    """One weight as embedding and as output layer, like GPT-2's."""
    return g.op("MatMul", g.op("Gather", table, ids), g.op("Transpose", table, perm=[1, 0]))


def gather(name, shape, axis):
    return Case(
        name, {"table": draw(*shape)}, lambda g, table, ids: g.op("Gather", table, ids, axis=axis), 3,
        {"ids": IDS},
    )  # fmt: skip


def cross_entropy(name, shape, labels, ignore):
    build = lambda g, x, labels: g.op("SoftmaxCrossEntropyLoss", x, labels, ignore_index=ignore)
    return Case(name, {"x": draw(*shape, low=-2.0, high=2.0)}, build, 10, {"labels": labels})


EMBEDDINGS = [
    gather("embedding", (5, 2), 0),
    gather("gather-columns", (2, 5), 1),
    Case("gather-constant", {"x": draw(5, 2)}, lambda g, x: g.op("Gather", x, g.constant(np.array([3, 0, 3]))), 2),
    Case("gather-slice", {"x": draw(5, 2)}, lambda g, x: g.op("Gather", x, g.constant(np.array([1, 3])))),
    Case("tied", {"table": draw(5, 2)}, tied, 10, {"ids": IDS}),
    cross_entropy("cross-entropy", (4, 5), np.array([2, 0, 4, 2]), -100),
    cross_entropy("cross-entropy-ignored", (2, 5, 3), LABELS, -100),
    cross_entropy("cross-entropy-ignored-class", (4, 5), np.array([2, 0, 4, 2]), 2),
]

GROUPS = {
    "elementwise": ELEMENTWISE,
    "reductions": REDUCTIONS + NORMS,
    "contractions": PRODUCTS + SHAPES,
    "attention": ATTENTIONS + EMBEDDINGS,
}
CASES = {case.name: case for cases in GROUPS.values() for case in cases}
assert len(CASES) == sum(map(len, GROUPS.values())), "two cases have the same name"


def test_scores_are_whole(tmp_path):
    """What the cases of attention compare are kernels, not parts."""
    cases = [case for case in ATTENTIONS if case.name.startswith("scores")]
    model, _, _ = build_group(cases, {case.name: Oracle(case) for case in cases})
    text = run("fp8c", "compile", save(model, tmp_path / "model.onnx"), "--recipe", "f32", "--emit", "train")
    assert text.count("= train.attention ") == len(cases) and "train.softmax" not in text


# ------------------------------------------------------------------------------
# The oracle
# ------------------------------------------------------------------------------


class Erf(OpRun):
    """The evaluator's own rounds to f32."""

    op_domain = ""

    def _run(self, x):
        return (np.vectorize(erf, otypes=[np.float64])(x),)


class Gelu(OpRun):
    """The evaluator's own is made of its Erf."""

    op_domain = ""

    def _run(self, x, approximate=None):
        if approximate == "tanh":
            return (0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),)
        return (0.5 * x * (1 + np.vectorize(erf, otypes=[np.float64])(x / np.sqrt(2))),)


class Swish(OpRun):
    op_domain = ""

    def _run(self, x, alpha=None):
        return (x / (1 + np.exp(-(alpha or 1.0) * x)),)


class Oracle:
    """y of a case in float64, as a vector function of all its parameters."""

    def __init__(self, case):
        self.case = case
        graph = Graph(np.float64)
        names = [graph.input(case.path(n), np.float64, v.shape) for n, v in case.parameters.items()]
        names += [graph.input(f"{case.name}/{n}", v.dtype, v.shape) for n, v in case.inputs.items()]
        y = case.build(graph, *names)
        model = graph.model({y: None}, opset=24)
        self.evaluator = ReferenceEvaluator(model, new_ops=[Erf, Gelu, Swish])
        self.inputs = {f"{case.name}/{n}": v for n, v in case.inputs.items()}
        self.start = np.concatenate([v.ravel() for v in case.parameters.values()])
        self.shape = self.evaluate(self.start).shape
        self.weights = f32(case.random("c").uniform(0.5, 1.5, self.shape))
        self.weights *= case.random("sign").choice([-1, 1], self.shape)

    def evaluate(self, x):
        feeds, at = dict(self.inputs), 0
        for name, value in self.case.parameters.items():
            feeds[self.case.path(name)] = x[at : at + value.size].reshape(value.shape)
            at += value.size
        (y,) = self.evaluator.run(None, feeds)
        y = np.asarray(y)
        assert y.dtype == np.float64, "the oracle lost its precision"
        return y

    def loss(self):
        return np.sum(self.weights * self.evaluate(self.start))

    def terms(self, x):
        """c_j dy_j/dx_i, one row per element of x."""
        rows = []
        for i in range(x.size):
            step = np.zeros(x.size)
            step[i] = STEP
            slope = (self.evaluate(x + step) - self.evaluate(x - step)) / (2 * STEP)
            rows.append((self.weights * slope).ravel())
        return np.array(rows)

    def condition(self):
        """How relative changes of all parameters at once change the gradient."""
        random, size = self.case.random("probe"), 1e-3
        squares = 0
        for _ in range(PROBES):
            change = size * self.start * random.choice([-1, 1], self.start.shape)
            ends = [self.terms(self.start + s * change).sum(1) for s in (1, -1)]
            squares += ((ends[0] - ends[1]) / (2 * size)) ** 2
        return np.sqrt(squares / PROBES)

    def gradient(self):
        """The gradient and what it may deviate by, per parameter."""
        terms = self.terms(self.start)
        bound = np.abs(terms).sum(1) + self.condition()
        tolerance = (16 + self.case.terms) * UNIT_ROUNDOFF * bound
        tolerance[bound > 0] += RESOLUTION
        at, result = 0, {}
        for name, value in self.case.parameters.items():
            part = slice(at, at + value.size)
            result[name] = [a[part].reshape(value.shape) for a in (terms.sum(1), tolerance)]
            at += value.size
        return result


# ------------------------------------------------------------------------------
# The programs
# ------------------------------------------------------------------------------


def build_group(cases, oracles):
    """A model whose loss is the sum of the cases' losses; returns what it needs
    for a call."""
    graph, losses, inputs = Graph(), [], {}
    for case in cases:
        names = [graph.initializer(case.path(n), v) for n, v in case.parameters.items()]
        for name, value in case.inputs.items():
            path = f"{case.name}/{name}"
            names.append(graph.input(path, value.dtype, value.shape))
            inputs[path] = value
        product = graph.op("Mul", case.build(graph, *names), graph.constant(oracles[case.name].weights))
        losses.append(graph.op("ReduceSum", product, keepdims=0))
    loss = graph.op("Sum", *losses)
    return graph.model({loss: ()}, opset=24), loss, inputs


@pytest.fixture(scope="module")
def group(tmp_path_factory):
    """A way to get a group's oracles and what its program computes."""
    done = {}

    def compute(name):
        folder = tmp_path_factory.mktemp(name)
        oracles = {case.name: Oracle(case) for case in GROUPS[name]}
        model, loss, inputs = build_group(GROUPS[name], oracles)
        path = save(model, folder / "model.onnx")
        options = ["--train", "*.weight"] + [f"--input={i}={'labels' if i.endswith('labels') else 'data'}" for i in inputs]
        program = compile_model(path, folder / "model.fp8x", "--recipe", "f32", "--loss", loss, *options)
        return oracles, call(program, "micro", inputs, folder=folder)

    def get(name):
        if name not in done:
            done[name] = compute(name)
        return done[name]

    return get


@pytest.mark.parametrize("name", GROUPS)
def test_loss(group, name):
    """The sum of the cases' losses: at most 64 roundings of each one's value
    (16, the sum over its elements, the sum over cases)."""
    oracles, results = group(name)
    sizes = [np.sum(np.abs(o.weights * o.evaluate(o.start))) for o in oracles.values()]
    expected = sum(oracle.loss() for oracle in oracles.values())
    assert abs(results["loss"] - expected) <= 64 * UNIT_ROUNDOFF * sum(sizes)


@pytest.mark.parametrize("name, case", [(g, c.name) for g, cases in GROUPS.items() for c in cases])
def test_gradient(group, name, case):
    oracles, results = group(name)
    for parameter, (expected, tolerance) in oracles[case].gradient().items():
        actual = results[CASES[case].path(parameter) + ".grad"].astype(np.float64)
        error = np.abs(actual - expected)
        assert np.isfinite(actual).all()
        wrong = error > tolerance
        assert not wrong.any(), (
            f"{parameter}: {wrong.sum()} of {wrong.size} wrong, by up to "
            f"{np.max(error[wrong] / (tolerance[wrong] + 1e-30)):.3g} times the tolerance\n"
            f"expected\n{expected}\nactual\n{actual}"
        )
