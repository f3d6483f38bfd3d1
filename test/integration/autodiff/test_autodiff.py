"""Gradients that train-autodiff builds, against central differences of @eval.

The tool is the environment's FP8C_OPT, else build/release/bin/fp8c-opt.
"""

import os
import pathlib
from dataclasses import dataclass, field

import numpy as np
import pytest

from evaluate import load

TOOL = os.environ.get(
    "FP8C_OPT", pathlib.Path(__file__).parents[3] / "build/release/bin/fp8c-opt"
)
GRAD_SCALE = 0.5


@dataclass
class Case:
    """`body` computes %y, of shape `y`, from the parameters; half the sum of its
    squares is the loss. Values are drawn from `low` to `high`."""

    name: str
    parameters: dict
    y: str
    body: str
    low: float = -1.0
    high: float = 1.0
    arguments: dict = field(default_factory=dict)

    def module(self):
        variables = "".join(
            f"train.variable @{name} : tensor<{shape}> {{init = #train.constant<0.0>, role = #train.role<parameter>}}\n"
            for name, shape in self.parameters.items()
        )
        reads = "".join(f"%{n} = train.read @{n} : tensor<{s}>\n" for n, s in self.parameters.items())
        arguments = ", ".join(f"%{n}: tensor<{s}>" for n, (s, _) in self.arguments.items())
        axes = list(range(self.y.count("x")))
        return f"""{variables}
        func.func @eval({arguments}) -> tensor<f32> attributes {{train.function = #train.function<eval>}} {{
          {reads}{self.body}
          %half = arith.constant dense<0.5> : tensor<f32>
          %square = train.mul %y, %y : tensor<{self.y}>, tensor<{self.y}> -> tensor<{self.y}>
          %sum = train.reduce_sum %square axes {axes} : tensor<{self.y}> -> tensor<f32>
          %loss = train.mul %sum, %half : tensor<f32>, tensor<f32> -> tensor<f32>
          return %loss : tensor<f32>
        }}"""


def unary(op, low=-1.0, high=1.0):
    body = f"%y = train.{op} %a : tensor<2x3xf32> -> tensor<2x3xf32>"
    return Case(op.replace(" ", ""), {"a": "2x3xf32"}, "2x3xf32", body, low, high)


def stepwise(op):
    """No gradient flows through the steps, but beside them."""
    body = f"""%0 = train.{op} %a : tensor<2x3xf32> -> tensor<2x3xf32>
    %y = train.mul %0, %a : tensor<2x3xf32>, tensor<2x3xf32> -> tensor<2x3xf32>"""
    return Case(op, {"a": "2x3xf32"}, "2x3xf32", body, -3, 3)


def binary(op, a, b, y, low=-1.0):
    body = f"%y = train.{op} %a, %b : tensor<{a}>, tensor<{b}> -> tensor<{y}>"
    return Case(f"{op}-{a}-{b}", {"a": a, "b": b}, y, body, low)


def matmul(a, b, y, contracting="", batch=0):
    body = f"%y = train.matmul %a, %b {contracting} {{batch = {batch}}} : tensor<{a}>, tensor<{b}> -> tensor<{y}>"
    return Case(f"matmul-{a}-{b}-{y}", {"a": a, "b": b}, y, body)


def power(exponent):
    body = f"""%n = arith.constant dense<{exponent}> : tensor<f32>
    %y = train.pow %a, %n : tensor<2x3xf32>, tensor<f32> -> tensor<2x3xf32>"""
    return Case(f"pow{exponent}", {"a": "2x3xf32"}, "2x3xf32", body, 0.2)


def attention(heads, kv_heads, q, k, v, o, more="", bias=None, lengths=None):
    lse = f"2x{heads}x{q.split('x')[1]}xf32"
    names = (" bias %bias" if bias else "") + (" lengths %lengths" if lengths else "")
    types = (f" bias tensor<{bias}>" if bias else "") + (" lengths tensor<2xi64>" if lengths else "")
    body = f"""%y, %lse = train.attention %q, %k, %v{names} {{heads = {heads}, kv_heads = {kv_heads}, scale = 0.7 : f32{more}}}
      : tensor<{q}>, tensor<{k}>, tensor<{v}>{types} -> tensor<{o}>, tensor<{lse}>"""
    parameters = {"q": q, "k": k, "v": v, **({"bias": bias} if bias else {})}
    arguments = {"lengths": ("2xi64", np.array(lengths))} if lengths else {}
    return Case(f"attention-{heads}-{kv_heads}{more}-{bias}-{lengths}", parameters, o, body, arguments=arguments)


def rotary(flags, tables):
    angles = np.linspace(0, 2, 6 if tables == "3x2xf32" else 12)
    shape = tuple(int(x) for x in tables.split("x")[:-1])
    body = f"""%y = train.rotary %a, %cos, %sin {{heads = 2, rotary_dim = 4{flags}}}
      : tensor<2x3x10xf32>, tensor<{tables}>, tensor<{tables}> -> tensor<2x3x10xf32>"""
    arguments = {"cos": (tables, np.cos(angles).reshape(shape)), "sin": (tables, np.sin(angles).reshape(shape))}
    return Case(f"rotary{flags}-{tables}", {"a": "2x3x10xf32"}, "2x3x10xf32", body, arguments=arguments)


IDS = np.array([[0, 3, 3], [4, 0, 3]])
LABELS = np.array([[0, 3, -100], [4, -1, 3]])
NORM = "tensor<2x3x4xf32>, tensor<2x3x1xf32>"

CASES = [
    unary("cast"),
    unary("neg"),
    unary("abs"),
    unary("exp"),
    unary("log", 0.2),
    unary("sqrt", 0.2),
    unary("rsqrt", 0.2),
    unary("reciprocal", 0.2),
    unary("tanh"),
    unary("sigmoid"),
    unary("erf"),
    unary("relu"),
    unary("sin", -4, 4),
    unary("cos", -4, 4),
    *map(stepwise, ("floor", "ceil", "round", "sign")),
    Case("gelu", {"a": "5xf32"}, "5xf32", "%y = train.gelu %a : tensor<5xf32> -> tensor<5xf32>", -3, 3),
    Case("gelu-tanh", {"a": "5xf32"}, "5xf32", "%y = train.gelu %a {tanh} : tensor<5xf32> -> tensor<5xf32>", -3, 3),
    binary("add", "2x3xf32", "3xf32", "2x3xf32"),
    binary("add", "2x1x3xf32", "4x1xf32", "2x4x3xf32"),
    binary("sub", "f32", "2x3xf32", "2x3xf32"),
    binary("sub", "2x3xf32", "1x1xf32", "2x3xf32"),
    binary("mul", "2x3xf32", "2x1xf32", "2x3xf32"),
    binary("mul", "1x3xf32", "3xf32", "1x3xf32"),
    binary("div", "2x3xf32", "3xf32", "2x3xf32", 0.3),
    binary("div", "1x3xf32", "2x1xf32", "2x3xf32", 0.3),
    binary("minimum", "2x3xf32", "3xf32", "2x3xf32"),
    binary("maximum", "2x1x3xf32", "4x1xf32", "2x4x3xf32"),
    binary("pow", "2x3xf32", "3xf32", "2x3xf32", 0.2),
    power(2.0),
    power(3.0),
    power(-0.5),
    power(1.0),
    Case(
        "select",
        {"c": "2x3xf32", "a": "f32", "b": "4x1x3xf32"},
        "4x2x3xf32",
        "%y = train.select %c, %a, %b : tensor<2x3xf32>, tensor<f32>, tensor<4x1x3xf32> -> tensor<4x2x3xf32>",
    ),
    Case(
        "select-compared",
        {"a": "2x3xf32", "b": "3xf32"},
        "2x3xf32",
        """%c = train.compare lt %a, %b : tensor<2x3xf32>, tensor<3xf32> -> tensor<2x3xi1>
        %y = train.select %c, %a, %b : tensor<2x3xi1>, tensor<2x3xf32>, tensor<3xf32> -> tensor<2x3xf32>""",
    ),
    Case(
        "used-twice",
        {"a": "2x3xf32"},
        "2x3xf32",
        """%t = train.tanh %a : tensor<2x3xf32> -> tensor<2x3xf32>
        %y = train.mul %t, %a : tensor<2x3xf32>, tensor<2x3xf32> -> tensor<2x3xf32>""",
    ),
    Case(
        "reduce_sum",
        {"a": "2x3x4xf32"},
        "3xf32",
        "%y = train.reduce_sum %a axes [0, 2] : tensor<2x3x4xf32> -> tensor<3xf32>",
    ),
    Case(
        "reduce_sum-keepdims",
        {"a": "2x3x4xf32"},
        "2x1x4xf32",
        "%y = train.reduce_sum %a axes [1] {keepdims} : tensor<2x3x4xf32> -> tensor<2x1x4xf32>",
    ),
    Case(
        "reduce_max",
        {"a": "2x3x4xf32"},
        "2x4xf32",
        "%y = train.reduce_max %a axes [1] : tensor<2x3x4xf32> -> tensor<2x4xf32>",
    ),
    Case(
        "reduce_max-keepdims",
        {"a": "2x3x4xf32"},
        "1x3x1xf32",
        "%y = train.reduce_max %a axes [0, 2] {keepdims} : tensor<2x3x4xf32> -> tensor<1x3x1xf32>",
    ),
    Case(
        "layer_norm",
        {"x": "2x3x4xf32", "w": "4xf32", "b": "4xf32"},
        "2x3x4xf32",
        f"""%y, %m, %r = train.layer_norm %x, %w, %b {{epsilon = 1.0e-3 : f32}}
        : tensor<2x3x4xf32>, tensor<4xf32>, tensor<4xf32> -> {NORM}, tensor<2x3x1xf32>""",
    ),
    Case(
        "layer_norm-statistics",
        {"x": "2x3x4xf32", "w": "4xf32", "b": "4xf32"},
        "2x3x4xf32",
        f"""%n, %m, %r = train.layer_norm %x, %w, %b {{epsilon = 1.0e-3 : f32}}
        : tensor<2x3x4xf32>, tensor<4xf32>, tensor<4xf32> -> {NORM}, tensor<2x3x1xf32>
        %0 = train.mul %n, %m : {NORM} -> tensor<2x3x4xf32>
        %y = train.mul %0, %r : {NORM} -> tensor<2x3x4xf32>""",
    ),
    Case(
        "rms_norm",
        {"x": "2x3x4xf32", "w": "4xf32"},
        "2x3x4xf32",
        f"%y, %r = train.rms_norm %x, %w {{epsilon = 1.0e-3 : f32}} : tensor<2x3x4xf32>, tensor<4xf32> -> {NORM}",
    ),
    Case(
        "rms_norm-statistics",
        {"x": "2x3x4xf32", "w": "4xf32"},
        "2x3x4xf32",
        f"""%n, %r = train.rms_norm %x, %w {{epsilon = 1.0e-3 : f32}} : tensor<2x3x4xf32>, tensor<4xf32> -> {NORM}
        %y = train.mul %n, %r : {NORM} -> tensor<2x3x4xf32>""",
    ),
    Case("softmax", {"a": "2x5xf32"}, "2x5xf32", "%y = train.softmax %a : tensor<2x5xf32> -> tensor<2x5xf32>"),
    Case("log_softmax", {"a": "2x5xf32"}, "2x5xf32", "%y = train.log_softmax %a : tensor<2x5xf32> -> tensor<2x5xf32>"),
    matmul("2x3x4xf32", "4x5xf32", "2x3x5xf32"),
    matmul("2x3x4xf32", "5x4xf32", "2x3x5xf32", "contracting [2] x [1]"),
    matmul("4x2x3xf32", "4x5xf32", "2x3x5xf32", "contracting [0] x [0]"),
    matmul("4x3xf32", "5x4xf32", "3x5xf32", "contracting [0] x [1]"),
    matmul("2x3x4xf32", "2x3x5xf32", "4x5xf32", "contracting [0, 1] x [0, 1]"),
    matmul("4x2x3xf32", "2x3x5xf32", "4x5xf32", "contracting [1, 2] x [0, 1]"),
    matmul("2x3x4xf32", "2x5x4xf32", "2x3x5xf32", "contracting [2] x [2]", batch=1),
    matmul("2x4x3xf32", "2x4x5xf32", "2x3x5xf32", "contracting [1] x [1]", batch=1),
    matmul("2x3x4x2xf32", "2x3x2x5xf32", "2x3x4x5xf32", "", batch=2),
    matmul("3x4xf32", "4xf32", "3xf32"),
    matmul("4xf32", "4x5xf32", "5xf32"),
    matmul("4xf32", "4xf32", "f32"),
    matmul("2x4xf32", "2x4xf32", "2xf32", "contracting [1] x [1]", batch=1),
    Case("reshape", {"a": "2x6xf32"}, "3x4xf32", "%y = train.reshape %a : tensor<2x6xf32> -> tensor<3x4xf32>"),
    Case(
        "transpose",
        {"a": "2x3x4xf32"},
        "4x2x3xf32",
        "%y = train.transpose %a [2, 0, 1] : tensor<2x3x4xf32> -> tensor<4x2x3xf32>",
    ),
    Case(
        "broadcast_to",
        {"a": "3x1xf32"},
        "2x3x4xf32",
        "%y = train.broadcast_to %a : tensor<3x1xf32> -> tensor<2x3x4xf32>",
    ),
    Case(
        "slice",
        {"a": "4x8xf32"},
        "2x3xf32",
        "%y = train.slice %a at [1, 0] by [2, 3] : tensor<4x8xf32> -> tensor<2x3xf32>",
    ),
    Case(
        "place",
        {"a": "2x3xf32"},
        "4x8xf32",
        "%y = train.place %a at [1, 0] by [2, 3] : tensor<2x3xf32> -> tensor<4x8xf32>",
    ),
    Case(
        "split",
        {"a": "2x6xf32"},
        "2x2xf32",
        """%p, %q, %r = train.split %a axis 1 : tensor<2x6xf32> -> tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>
        %y = train.mul %p, %r : tensor<2x2xf32>, tensor<2x2xf32> -> tensor<2x2xf32>""",
    ),
    Case(
        "concat",
        {"a": "2x3xf32", "b": "4x3xf32"},
        "6x3xf32",
        "%y = train.concat %a, %b axis 0 : tensor<2x3xf32>, tensor<4x3xf32> -> tensor<6x3xf32>",
    ),
    attention(2, 2, "2x3x4xf32", "2x3x4xf32", "2x3x4xf32", "2x3x4xf32", ", causal"),
    attention(4, 2, "2x3x8xf32", "2x5x4xf32", "2x5x6xf32", "2x3x12xf32"),
    attention(2, 2, "2x3x4xf32", "2x3x4xf32", "2x3x4xf32", "2x3x4xf32", ", softcap = 0.4 : f32"),
    attention(2, 2, "2x4x4xf32", "2x4x4xf32", "2x4x4xf32", "2x4x4xf32", ", causal, window = 2"),
    attention(2, 1, "2x3x4xf32", "2x5x2xf32", "2x5x2xf32", "2x3x4xf32", lengths=[2, 5]),
    *(
        attention(4, 2, "2x3x8xf32", "2x3x4xf32", "2x3x4xf32", "2x3x8xf32", more, bias, lengths)
        for more, bias, lengths in [
            ("", "2x4x3x3xf32", None), (", causal", "1x4x3x3xf32", None), ("", "1x4x1x3xf32", [3, 2]), ("", "2x1x1x3xf32", None),
            (", causal, window = 2, softcap = 0.4 : f32", "1x1x3x3xf32", [2, 3]), ("", "1x4x3x1xf32", None),
        ]
    ),
    rotary("", "3x2xf32"),
    rotary(", interleaved", "2x3x2xf32"),
    rotary(", inverse", "3x2xf32"),
    Case(
        "embedding",
        {"a": "5x2xf32"},
        "2x3x2xf32",
        "%y = train.embedding %a, %ids : tensor<5x2xf32>, tensor<2x3xi64> -> tensor<2x3x2xf32>",
        arguments={"ids": ("2x3xi64", IDS)},
    ),
    Case(
        "gather_elements",
        {"a": "2x5xf32"},
        "2x3xf32",
        "%y = train.gather_elements %a, %ids : tensor<2x5xf32>, tensor<2x3xi64> -> tensor<2x3xf32>",
        arguments={"ids": ("2x3xi64", IDS)},
    ),
    Case(
        "tied-embedding",
        {"a": "5x2xf32"},
        "2x3x5xf32",
        """%x = train.embedding %a, %ids : tensor<5x2xf32>, tensor<2x3xi64> -> tensor<2x3x2xf32>
        %t = train.transpose %a [1, 0] : tensor<5x2xf32> -> tensor<2x5xf32>
        %y = train.matmul %x, %t : tensor<2x3x2xf32>, tensor<2x5xf32> -> tensor<2x3x5xf32>""",
        arguments={"ids": ("2x3xi64", IDS)},
    ),
    Case(
        "cross_entropy",
        {"a": "2x3x5xf32"},
        "f32",
        """%y, %lse, %inv = train.cross_entropy %a, %labels
        : tensor<2x3x5xf32>, tensor<2x3xi64> -> tensor<f32>, tensor<2x3xf32>, tensor<f32>""",
        arguments={"labels": ("2x3xi64", LABELS)},
    ),
    Case(
        "cross_entropy-lse",
        {"a": "2x3x5xf32"},
        "2x3xf32",
        """%l, %lse, %inv = train.cross_entropy %a, %labels
        : tensor<2x3x5xf32>, tensor<2x3xi64> -> tensor<f32>, tensor<2x3xf32>, tensor<f32>
        %y = train.mul %l, %lse : tensor<f32>, tensor<2x3xf32> -> tensor<2x3xf32>""",
        arguments={"labels": ("2x3xi64", LABELS)},
    ),
]


def numeric_gradient(loss, values, name, step=1e-5):
    gradient = np.zeros(values[name].shape)
    for index in np.ndindex(gradient.shape):
        sides = []
        for sign in (1, -1):
            moved = dict(values, **{name: values[name].copy()})
            moved[name][index] += sign * step
            sides.append(loss(moved))
        gradient[index] = (sides[0] - sides[1]) / (2 * step)
    return gradient


@pytest.mark.parametrize("canonicalize", [False, True], ids=["plain", "canonicalized"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_gradient(case, canonicalize):
    passes = ["--canonicalize", "--cse"] if canonicalize else []
    module = load(case.module(), *passes, "--train-autodiff", *passes, tool=TOOL)
    random = np.random.default_rng(1)
    values = {n: random.uniform(case.low, case.high, s) for n, s in module.variables.items()}
    arguments = [value for _, value in case.arguments.values()]

    def loss(variables):
        return module.run("eval", arguments, variables)[0][0]

    (result, *gradients), _ = module.run("micro", arguments, values, {"grad_scale": GRAD_SCALE})
    assert result == loss(values)
    names = [n for n in values if (case.name, n) != ("select", "c")]
    assert len(gradients) == len(names)
    for name, gradient in zip(names, gradients):
        expected = GRAD_SCALE * numeric_gradient(loss, values, name)
        np.testing.assert_allclose(gradient, expected, rtol=1e-6, atol=1e-8, err_msg=name)


def test_power_at_zero():
    """0^0 and 0^n have finite gradients: those of 1 and of x^n."""
    case = binary("pow", "3xf32", "3xf32", "3xf32")
    module = load(case.module(), "--train-autodiff", tool=TOOL)
    values = {"a": np.array([0.0, 0.0, 2.0]), "b": np.array([0.0, 2.0, 0.0])}
    with np.errstate(all="ignore"):
        (_, da, db), _ = module.run("micro", [], values, {"grad_scale": 1.0})
    np.testing.assert_allclose(da, [0, 0, 0])
    np.testing.assert_allclose(db, [0, 0, np.log(2)])


@pytest.mark.parametrize("op", ["minimum", "maximum"])
def test_equal_operands_share_a_gradient(op):
    """As in PyTorch: half to each, and everything to both where one is NaN."""
    module = load(binary(op, "4xf32", "4xf32", "4xf32").module(), "--train-autodiff", tool=TOOL)
    values = {"a": np.array([2.0, 3.0, -1.0, np.nan]), "b": np.array([2.0, 1.0, 0.0, 4.0])}
    (_, da, db), _ = module.run("micro", [], values, {"grad_scale": 1.0})
    first = [0, 1, 0] if op == "maximum" else [0, 0, 1]
    y = getattr(np, op)(values["a"], values["b"])
    np.testing.assert_array_equal(da, y * [0.5, first[1], first[2], 1])
    np.testing.assert_array_equal(db, y * [0.5, 1 - first[1], 1 - first[2], 1])


def test_equal_maxima_share_a_gradient():
    """As in torch.amax."""
    case = next(case for case in CASES if case.name == "reduce_max-keepdims")
    module = load(case.module(), "--train-autodiff", tool=TOOL)
    a = np.zeros((2, 3, 4))
    a[0, 0, :2] = a[1, 0, 3] = 6  # three of the first, two of the second, one of the third
    a[0, 1, 0] = a[1, 1, 0] = 4
    a[0, 2, 2] = 5
    (_, da), _ = module.run("micro", [], {"a": a}, {"grad_scale": 1.0})
    expected = np.where(a > 0, a / np.array([3, 2, 1])[None, :, None], 0)
    np.testing.assert_allclose(da, expected)


def test_optimizer():
    """Two micro-batches accumulate; @update clips and decays matrices.
    What the step before has left in the gradients does not count."""
    case = matmul("3x4xf32", "4xf32", "3xf32")
    module = load(case.module(), "--train-autodiff", "--train-add-optimizer", tool=TOOL)
    random = np.random.default_rng(1)
    start = {n: random.uniform(-1, 1, s) for n, s in module.variables.items() if "." not in n}
    state = {n: np.full(s, 7.0 if n.endswith(".grad") else 0.0) for n, s in module.variables.items()} | start
    hyper = dict(
        lr=0.1, beta1=0.9, beta2=0.99, eps=1e-12, weight_decay=0.2, clip_norm=0.5, step=1.0, grad_scale=0.5
    )
    for first in (True, False):
        _, state = module.run("micro", [], state, hyper, first)
    y = start["a"] @ start["b"]
    expected = {"a": np.outer(y, start["b"]), "b": start["a"].T @ y}
    for name, gradient in expected.items():
        np.testing.assert_allclose(state[f"{name}.grad"], gradient)

    (norm,), after = module.run("update", [], state, hyper)
    np.testing.assert_allclose(norm, np.sqrt(sum(np.sum(g**2) for g in expected.values())))
    for name, decay in (("a", 0.2), ("b", 0.0)):
        # At step 1 the bias corrections leave the gradient's sign.
        direction = np.sign(expected[name]) + decay * start[name]
        np.testing.assert_allclose(after[name], start[name] - 0.1 * direction, rtol=1e-6)
        np.testing.assert_allclose(after[f"{name}.m"], 0.1 * expected[name] * 0.5 / norm)
