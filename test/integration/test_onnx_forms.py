"""Forms of operators that the node tests of the newest ONNX do not show: those of
older opsets, ONNX Runtime's own operators, branches, functions, sequences. The
expected values are ONNX Runtime's.

The cases of one opset become one program. No case has more than 64 roundings in a
row, in either program, and none of its intermediate values is much larger than its
largest result: with u = 2^-24

  |computed - expected| <= 128 u max |expected|

Integers and booleans must agree exactly.
"""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from support import call, compile_model, refuses, run, save

BOUND = 128 * 2.0**-24
MICROSOFT = "com.microsoft"


def draw(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).uniform(-2, 2, shape).astype(np.float32)


def ints(*values):
    return np.array(values, np.int64)


class Case:
    """A node with inputs: arrays that are known at run time, `Known` ones that
    become constants, None for one that is missing."""

    def __init__(self, op, *inputs, outputs=1, domain="", **attributes):
        self.op, self.inputs, self.outputs, self.domain, self.attributes = op, inputs, outputs, domain, attributes


class Known:
    def __init__(self, *values, shape=None, dtype=np.int64):
        self.value = np.array(values, dtype).reshape(shape if shape is not None else len(values))


def scalar(value, dtype=np.float32):
    return Known(value, shape=(), dtype=dtype)


X = draw(2, 3, 4)
IMAGE = draw(2, 3, 4, 6)
TRIANGLE = np.tril(np.ones((4, 4), bool))
FLAGS = np.array([[True, False, True, False], [False, False, True, True]])

# From the first opset on until the last: each is built in those of OPSETS between.
FORMS = {
    "softmax-flattens": (7, 12, Case("Softmax", X, axis=1)),
    "log-softmax-flattens": (7, 12, Case("LogSoftmax", X)),
    "softmax": (13, 21, Case("Softmax", X, axis=1)),
    "squeeze-attribute": (7, 12, Case("Squeeze", draw(2, 1, 3, 1), axes=[1])),
    "squeeze-all": (7, 12, Case("Squeeze", draw(2, 1, 3, 1))),
    "unsqueeze-attribute": (7, 12, Case("Unsqueeze", X, axes=[0, 4])),
    "unsqueeze": (13, 21, Case("Unsqueeze", X, Known(0, 4))),
    "slice-attributes": (7, 9, Case("Slice", X, starts=[0, -3], ends=[9, -1], axes=[1, 2])),
    "slice-all-axes": (7, 9, Case("Slice", X, starts=[1, 0], ends=[2, 2])),
    "slice-backwards": (10, 21, Case("Slice", X, Known(-1), Known(-5), Known(2), Known(-2))),
    "pad-attributes": (7, 10, Case("Pad", X, pads=[0, 1, -1, 0, 0, 2], value=1.5)),
    "pad-reflects-attributes": (7, 10, Case("Pad", X, pads=[0, 1, 2, 0, 0, 2], mode="reflect")),
    "pad": (11, 21, Case("Pad", X, Known(0, 1, -1, 0, 0, 2), scalar(-0.5))),
    "pad-axes": (18, 21, Case("Pad", X, Known(1, 2), scalar(2), Known(-1))),
    "pad-edge": (11, 21, Case("Pad", X, Known(0, 2, 1, 1, 0, 3), mode="edge")),
    "clip-attributes": (7, 10, Case("Clip", X, min=-0.5, max=1.25)),
    "clip-below": (7, 10, Case("Clip", X, max=0.25)),
    "clip": (11, 21, Case("Clip", X, None, scalar(0.75))),
    "dropout-attribute": (7, 11, Case("Dropout", X, ratio=0.9)),
    "dropout": (12, 21, Case("Dropout", X)),
    "reduce-sum-attribute": (7, 12, Case("ReduceSum", X, axes=[0, -1], keepdims=0)),
    "reduce-sum": (13, 21, Case("ReduceSum", X, Known(-1), keepdims=0)),
    "reduce-mean-attribute": (7, 17, Case("ReduceMean", X, axes=[1])),
    "reduce-mean": (18, 21, Case("ReduceMean", X, Known(1, 2))),
    "reduce-max": (7, 17, Case("ReduceMax", X, axes=[1], keepdims=0)),
    "reduce-min": (7, 17, Case("ReduceMin", X)),
    "reduce-prod": (7, 17, Case("ReduceProd", X, axes=[2])),
    "reduce-log-sum-exp": (7, 17, Case("ReduceLogSumExp", 30 * X, axes=[0])),
    "reduce-l2": (7, 17, Case("ReduceL2", X, axes=[2])),
    "split-attribute": (7, 12, Case("Split", X, axis=2, split=[1, 3], outputs=2)),
    "split-evenly": (7, 12, Case("Split", X, axis=2, outputs=2)),
    "split": (13, 21, Case("Split", X, Known(1, 3), axis=2, outputs=2)),
    "batch-norm": (7, 21, Case("BatchNormalization", IMAGE, draw(3), draw(3, seed=1), draw(3, seed=2), abs(draw(3)))),
    "gemm": (7, 21, Case("Gemm", draw(3, 4), draw(5, 4), draw(1, 5), transB=1, alpha=0.5, beta=2.0)),
    "sum-of-equal-shapes": (7, 7, Case("Sum", X, -2 * X)),
    "sum": (8, 21, Case("Sum", X, X[0], X[1])),
    "mean": (7, 21, Case("Mean", X, -X)),
    "max": (7, 21, Case("Max", X, -X)),
    "min-of-three": (8, 21, Case("Min", X, X[:1, :, :1], X[1])),
    "top-k-attribute": (7, 9, Case("TopK", Known(3, 1, 2, 5, 4, 4, dtype=np.float32, shape=(2, 3)), k=2, outputs=2)),
    "top-k": (11, 21, Case("TopK", Known(3, 1, 2, 5, dtype=np.float32), Known(2), largest=0, outputs=2)),
    "upward-range": (11, 21, Case("Range", scalar(2, np.int64), scalar(9, np.int64), scalar(3, np.int64))),
    "where": (9, 21, Case("Where", Known(1, 0, 0, 1, dtype=bool), X, -X)),
    "where-at-run-time": (9, 21, Case("Where", FLAGS[:, None], X, scalar(-np.inf))),
    "where-of-integers": (9, 21, Case("Where", FLAGS, ints(1, 2, 3, 4), scalar(2**40 + 1, np.int64))),
    "less": (9, 21, Case("Less", X, -X[0])),
    "greater-of-integers": (9, 21, Case("Greater", ints(2**40 + 1, 0), ints(2**40, 0))),
    "equal": (11, 21, Case("Equal", X, X * (X > 0))),
    "and": (7, 21, Case("And", FLAGS, ~FLAGS[:1])),
    "xor": (7, 21, Case("Xor", FLAGS, FLAGS[:1])),
    "not": (7, 21, Case("Not", FLAGS)),
    "is-nan": (9, 21, Case("IsNaN", np.array([1, np.nan, -np.inf], np.float32))),
    "cast-of-booleans": (7, 21, Case("Cast", FLAGS, to=TensorProto.FLOAT)),
    "cast-to-booleans": (9, 21, Case("Cast", ints(0, -3, 2**40), to=TensorProto.BOOL)),
    "cast-of-floats": (7, 21, Case("Cast", 3 * X, to=TensorProto.INT64)),
    "add-of-integers": (7, 21, Case("Add", ints(2**40, 3), ints(1, -4))),
    "mod": (10, 21, Case("Mod", ints(7, -7, 7, -7), ints(3, 3, -3, -3))),
    "c-mod": (10, 21, Case("Mod", ints(7, -7, 7, -7), ints(3, 3, -3, -3), fmod=1)),
    "trilu": (14, 21, Case("Trilu", X, scalar(1, np.int64), upper=0)),
    "cum-sum": (11, 21, Case("CumSum", X, scalar(1, np.int64), exclusive=1)),
    "cum-sum-back": (11, 21, Case("CumSum", X, scalar(2, np.int64), reverse=1)),
    "cum-sum-of-integers": (11, 21, Case("CumSum", ints(2**40, 1, -5), scalar(0, np.int64))),
    "reduce-sum-of-integers": (13, 21, Case("ReduceSum", ints(2**40, 1, -5))),
    "gather-elements": (11, 21, Case("GatherElements", X, Known(1, -1, 0, shape=(1, 3, 1)), axis=2)),
    "gather-elements-at-run-time": (11, 21, Case("GatherElements", X, ints(1, -1, 0).reshape(1, 3, 1), axis=2)),
    "gather-nd": (12, 21, Case("GatherND", X, Known(1, 2, 0, -1, shape=(2, 1, 2)))),
    "gather-nd-batch": (12, 21, Case("GatherND", X, Known(2, 0, shape=(2, 1)), batch_dims=1)),
    "gather-of-booleans": (7, 21, Case("Gather", FLAGS, Known(2, 0, 2), axis=1)),
    "scatter-nd": (11, 21, Case("ScatterND", X, Known(1, 2, 0, 0, shape=(2, 2)), draw(2, 4))),
    "scatter-elements": (11, 21, Case("ScatterElements", X[0], Known(0, 3, shape=(1, 2)), draw(1, 2), axis=1)),
    "einsum-product": (12, 21, Case("Einsum", draw(2, 3, 4), draw(2, 5, 4), equation="bij,bkj->bik")),
    "einsum-heads": (12, 21, Case("Einsum", draw(2, 3, 4, 5), draw(2, 6, 4, 5), equation="bthd,bshd->bhts")),
    "einsum-outer": (12, 21, Case("Einsum", draw(3), draw(4), equation="i,j->ij")),
    "einsum-sums": (12, 21, Case("Einsum", X, equation="abc->b")),
    "einsum-trace": (12, 21, Case("Einsum", draw(3, 3), equation="ii")),
    "einsum-diagonal": (12, 21, Case("Einsum", draw(2, 3, 3), equation="...ii->...i")),
    "einsum-ellipsis": (12, 21, Case("Einsum", draw(2, 3, 4), draw(4, 5), equation="...d,dh->h...")),
    "einsum-three": (12, 21, Case("Einsum", draw(2, 3), draw(3, 4), draw(4, 2), equation="ab,bc,ca->ac")),
    "conv-patches": (7, 21, Case("Conv", IMAGE, draw(5, 3, 2, 3), draw(5), kernel_shape=[2, 3], strides=[2, 3])),
    "conv-rest": (11, 21, Case("Conv", draw(1, 2, 7), draw(3, 2, 2), strides=[2])),
    "expand": (8, 21, Case("Expand", draw(3, 1), Known(2, 1, 4))),
    "expand-of-booleans": (8, 21, Case("Expand", FLAGS[:, None], Known(2, 3, 4))),
    "tile": (7, 21, Case("Tile", X, Known(1, 2, 1))),
    "one-hot": (11, 21, Case("OneHot", Known(1, -1, 7), scalar(4, np.int64), Known(-1, 2, dtype=np.float32))),
    "eye-like": (9, 21, Case("EyeLike", draw(3, 4), k=1)),
    "non-zero": (9, 21, Case("NonZero", Known(0, 2, 3, 0, 0, 1, shape=(2, 3)))),
    "size": (7, 21, Case("Size", X)),
    "cos": (7, 21, Case("Cos", X)),
    "round": (11, 21, Case("Round", np.array([0.5, 1.5, -2.5, 2.4], np.float32))),
    "sign": (9, 21, Case("Sign", X)),
    "hard-sigmoid": (7, 21, Case("HardSigmoid", 4 * X, alpha=0.25)),
    "hard-swish": (14, 21, Case("HardSwish", 4 * X)),
    "softplus": (7, 21, Case("Softplus", X)),
    "elu": (7, 21, Case("Elu", X, alpha=1.5)),
    "leaky-relu": (7, 21, Case("LeakyRelu", X)),
    "loss-mean": (12, 21, Case("SoftmaxCrossEntropyLoss", draw(4, 5), ints(1, 0, 4, 2), ignore_index=4)),
    "loss-sum": (12, 21, Case("SoftmaxCrossEntropyLoss", draw(4, 5), ints(1, 0, 4, 2), reduction="sum")),
    "loss-weights": (12, 21, Case("SoftmaxCrossEntropyLoss", draw(4, 5), ints(1, 0, 4, 2), abs(draw(5)))),
    "loss-none": (12, 21, Case("NegativeLogLikelihoodLoss", draw(4, 5, 2), np.arange(8).reshape(4, 2) % 5,
                               reduction="none", ignore_index=3)),
    "dequantize": (10, 21, Case("DequantizeLinear", Known(1, 200, 7, dtype=np.uint8), scalar(0.5), scalar(9, np.uint8))),
    "dequantize-rows": (13, 21, Case("DequantizeLinear", Known(1, -9, 7, 4, shape=(2, 2), dtype=np.int8),
                                     Known(0.5, 2, dtype=np.float32), Known(3, -1, dtype=np.int8), axis=0)),
}  # fmt: skip
OPSETS = [7, 9, 10, 11, 12, 13, 18, 21]

HIDDEN = draw(2, 4, 6)
ANGLES = np.outer(np.arange(5), [1.0, 0.3, 0.1]).astype(np.float32)

MICROSOFT_FORMS = {
    "gelu": Case("Gelu", X, domain=MICROSOFT),
    "fast-gelu": Case("FastGelu", X, draw(4), domain=MICROSOFT),
    "bias-gelu": Case("BiasGelu", X, draw(4), domain=MICROSOFT),
    "quick-gelu": Case("QuickGelu", X, alpha=1.5, domain=MICROSOFT),
    "skip-layer-norm": Case(
        "SkipLayerNormalization", X, draw(2, 3, 4, seed=1), draw(4), draw(4, seed=1), draw(4, seed=2),
        outputs=["y", "", "", "sum"], epsilon=1e-5, domain=MICROSOFT,
    ),
    "skip-rms-norm": Case("SkipSimplifiedLayerNormalization", X, draw(2, 3, 4, seed=1), draw(4), domain=MICROSOFT),
    "rms-norm": Case("SimplifiedLayerNormalization", X, draw(4), axis=-1, epsilon=1e-5),
    "attention": Case(
        "Attention", HIDDEN, draw(6, 18), draw(18), num_heads=2, unidirectional=1, domain=MICROSOFT
    ),
    "attention-padding": Case(
        "Attention", HIDDEN, draw(6, 18), draw(18), np.array([[1, 1, 1, 0], [1, 1, 1, 1]], np.int32),
        num_heads=3, domain=MICROSOFT,
    ),
    "multi-head-lengths": Case(
        "MultiHeadAttention", HIDDEN, draw(2, 5, 6), draw(2, 5, 6, seed=1), draw(18), np.array([4, 1], np.int32), num_heads=2, domain=MICROSOFT
    ),
    "multi-head": Case(
        "MultiHeadAttention", HIDDEN, draw(2, 5, 6), draw(2, 5, 6, seed=1), draw(18), num_heads=2, domain=MICROSOFT
    ),
    "rotary": Case(
        "RotaryEmbedding", HIDDEN, np.array([[0, 1, 2, 3], [4, 0, 1, 1]]), Known(*np.cos(ANGLES).ravel(), shape=(5, 3), dtype=np.float32),
        Known(*np.sin(ANGLES).ravel(), shape=(5, 3), dtype=np.float32), num_heads=1, domain=MICROSOFT,
    ),
    "rotary-offset": Case(
        "RotaryEmbedding", HIDDEN, Known(1), Known(*np.cos(ANGLES).ravel(), shape=(5, 3), dtype=np.float32),
        Known(*np.sin(ANGLES).ravel(), shape=(5, 3), dtype=np.float32), interleaved=1, domain=MICROSOFT,
    ),
}  # fmt: skip


def add_case(graph, inputs, name, case):
    """The case's node and what it needs, in a graph of many."""
    names = []
    for i, value in enumerate(case.inputs):
        names.append("" if value is None else f"{name}/in{i}")
        if isinstance(value, Known):
            tensor = numpy_helper.from_array(value.value)
            graph.node.append(helper.make_node("Constant", [], [names[-1]], value=tensor))
        elif value is not None:
            inputs[names[-1]] = value
            kind = helper.np_dtype_to_tensor_dtype(value.dtype)
            graph.input.append(helper.make_tensor_value_info(names[-1], kind, value.shape))
    outputs = range(case.outputs) if isinstance(case.outputs, int) else case.outputs
    results = [f"{name}/out{o}" if o != "" else "" for o in outputs]
    graph.node.append(helper.make_node(case.op, names, results, name=name, domain=case.domain, **case.attributes))
    graph.output.extend(onnx.ValueInfoProto(name=result) for result in results if result)


def model_of(cases, opset):
    graph, inputs = onnx.GraphProto(name="forms"), {}
    for name, case in cases.items():
        add_case(graph, inputs, name, case)
    imports = [helper.make_opsetid("", opset), helper.make_opsetid(MICROSOFT, 1)]
    return helper.make_model(graph, opset_imports=imports, ir_version=8), inputs


def expect(model, inputs):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs)))


def compare(actual, expected):
    wrong = []
    for name, y in expected.items():
        x = actual[name]
        if (x.shape, x.dtype) != (y.shape, y.dtype):
            wrong.append(f"{name} is {x.dtype}{x.shape}, not {y.dtype}{y.shape}")
        elif y.dtype.kind != "f":
            if (x != y).any():
                wrong.append(f"{name} is\n{x}\nnot\n{y}")
        else:
            bound = BOUND * np.max(np.abs(y[np.isfinite(y)]), initial=0)
            with np.errstate(invalid="ignore"):
                close = (abs(x - y) <= bound) | (x == y) | (np.isnan(x) & np.isnan(y))
            if not close.all():
                wrong.append(f"{name} is\n{x}\nnot\n{y}")
    assert not wrong, "\n".join(wrong)


def check(model, inputs, folder, expect=expect):
    """The model computes what ONNX Runtime says."""
    expected = expect(model, inputs)
    path = save(model, folder / "model.onnx")
    roles = [word for name in inputs for word in ("--input", f"{name}=data")]
    program = compile_model(path, folder / "model.fp8x", "--recipe", "f32", "--forward-only", *roles)
    compare(call(program, "forward", inputs, folder=folder), expected)


@pytest.mark.parametrize("opset", OPSETS)
def test_forms(opset, tmp_path):
    cases = {name: case for name, (first, last, case) in FORMS.items() if first <= opset <= last}
    check(*model_of(cases, opset), tmp_path)


def test_microsoft_forms(tmp_path):
    check(*model_of(MICROSOFT_FORMS, 17), tmp_path)


def test_every_form_is_tested():
    for name, (first, last, _) in FORMS.items():
        assert any(first <= opset <= last for opset in OPSETS), name


# ------------------------------------------------------------------------------
# Graphs in graphs
# ------------------------------------------------------------------------------


def tensor_info(name, dtype=TensorProto.FLOAT, shape=None):
    return helper.make_tensor_value_info(name, dtype, shape)


def structured_model(nodes, outputs, functions=(), opset=17, value_info=()):
    graph = helper.make_graph(
        nodes, "g", [tensor_info("x", shape=[2, 3])], [onnx.ValueInfoProto(name=o) for o in outputs],
        value_info=value_info,
    )  # fmt: skip
    imports = [helper.make_opsetid("", opset), helper.make_opsetid("local", 1)]
    return helper.make_model(graph, opset_imports=imports, functions=list(functions), ir_version=8)


def branch(name, op):
    """A graph that applies an operator to the outer x; all have the same names."""
    nodes = [helper.make_node(op, ["x"], ["inner"]), helper.make_node("Neg", ["inner"], ["result"])]
    return helper.make_graph(nodes, name, [], [tensor_info("result")])


def test_branches(tmp_path):
    """A condition on a shape chooses, and branches nest."""
    nested = helper.make_graph(
        [helper.make_node("If", ["small"], ["deep"], then_branch=branch("c", "Tanh"), else_branch=branch("d", "Exp"))],
        "e", [], [tensor_info("deep")],
    )  # fmt: skip
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("ReduceProd", ["shape"], ["size"], keepdims=0),
        helper.make_node("Constant", [], ["limit"], value_int=6),
        helper.make_node("Equal", ["size", "limit"], ["small"]),
        helper.make_node("If", ["small"], ["a"], then_branch=branch("f", "Abs"), else_branch=branch("g", "Exp")),
        helper.make_node("Not", ["small"], ["large"]),
        helper.make_node("If", ["large"], ["b"], then_branch=branch("h", "Abs"), else_branch=nested),
    ]
    check(structured_model(nodes, ["a", "b"]), {"x": draw(2, 3)}, tmp_path)


def local_function(name, inputs, outputs, nodes, attributes=(), opset=17, defaults=()):
    imports = [helper.make_opsetid("", opset), helper.make_opsetid("local", 1)]
    return helper.make_function(
        "local", name, inputs, outputs, nodes, imports, attributes=attributes, attribute_protos=defaults
    )


def reference(attribute, name, kind):
    result = onnx.AttributeProto(name=attribute, ref_attr_name=name, type=kind)
    return result


def test_functions(tmp_path):
    """Called twice, from each other, with attributes that are given or not, of an
    older opset, with an input as an output and one that is left out. ONNX Runtime
    and ONNX's reference know no such outputs, so NumPy tells what is right."""

    def computed(model, inputs):
        def twice(x):
            half = np.where(x < 0, 0.5 * x, x)
            return np.where(half < 0, 2 * half, half)

        y = twice(inputs["x"])
        powers = np.exp(twice(y))
        return {"y": y, "flat": powers / powers.sum(), "same": twice(y), "again": twice(y)}

    softmax = helper.make_node("Softmax", ["a"], ["s"])  # flattens in opset 11
    softmax.attribute.append(reference("axis", "dim", onnx.AttributeProto.INT))
    old = local_function("old", ["a"], ["s", "a"], [softmax], ["dim"], opset=11)
    leaky = helper.make_node("LeakyRelu", ["v"], ["w"])
    leaky.attribute.append(reference("alpha", "slope", onnx.AttributeProto.FLOAT))
    inner = local_function("inner", ["v"], ["w"], [leaky], defaults=[helper.make_attribute("slope", 0.5)])
    calls = [
        helper.make_node("inner", ["p"], ["t"], domain="local"),
        helper.make_node("inner", ["t"], ["u"], domain="local", slope=2.0),
        helper.make_node("Clip", ["u", "low"], ["q"]),
    ]
    outer = local_function("outer", ["p", "low"], ["q"], calls)
    nodes = [
        helper.make_node("outer", ["x"], ["y"], domain="local", name="first"),
        helper.make_node("outer", ["y"], ["z"], domain="local"),
        helper.make_node("old", ["z"], ["flat", "same"], domain="local", dim=0),
        helper.make_node("old", ["z"], ["", "again"], domain="local"),
    ]
    model = structured_model(nodes, ["y", "flat", "same", "again"], [old, inner, outer])
    check(model, {"x": draw(2, 3)}, tmp_path, computed)


def test_sequences(tmp_path):
    nodes = [
        helper.make_node("Constant", [], ["sizes"], value_ints=[1, 2]),
        helper.make_node("Constant", [], ["last"], value_int=-1),
        helper.make_node("Constant", [], ["first"], value_int=0),
        helper.make_node("SplitToSequence", ["x", "sizes"], ["parts"], axis=1),
        helper.make_node("SequenceAt", ["parts", "last"], ["a"]),
        helper.make_node("SplitToSequence", ["x"], ["rows"], keepdims=0),
        helper.make_node("SequenceAt", ["rows", "first"], ["b"]),
        helper.make_node("SequenceConstruct", ["a", "b"], ["both"]),
        helper.make_node("SequenceAt", ["both", "first"], ["c"]),
    ]
    check(structured_model(nodes, ["a", "b", "c"]), {"x": draw(2, 3)}, tmp_path)


# ------------------------------------------------------------------------------
# Masks
# ------------------------------------------------------------------------------


def known(name, value):
    return helper.make_node("Constant", [], [name], value=numpy_helper.from_array(np.asarray(value)))


CAUSAL_MASKS = {
    "tril": [
        known("ones", np.ones((4, 4), bool)),
        helper.make_node("Cast", ["ones"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("Trilu", ["numbers"], ["triangle"], upper=0),
        helper.make_node("Cast", ["triangle"], ["mask"], to=TensorProto.BOOL),
    ],
    "positions": [
        *[known(n, v) for n, v in [("zero", 0), ("one", 1), ("four", 4), ("at", [1])]],
        helper.make_node("Range", ["zero", "four", "one"], ["keys"]),
        helper.make_node("Unsqueeze", ["keys", "at"], ["queries"]),
        helper.make_node("LessOrEqual", ["keys", "queries"], ["mask"]),
    ],
    "upper": [
        known("fill", np.full((1, 1, 4, 4), np.finfo(np.float32).min)),
        known("one", 1),
        helper.make_node("Trilu", ["fill", "one"], ["mask"]),
    ],
    "where": [
        known("sees", TRIANGLE), known("no", np.float32(-np.inf)), known("yes", np.float32(0)),
        helper.make_node("Where", ["sees", "yes", "no"], ["mask"]),
    ],
    "cumulated": [
        known("diagonal", np.eye(4, dtype=np.float32)), known("axis", 0), known("half", np.float32(0.5)),
        helper.make_node("CumSum", ["diagonal", "axis"], ["counts"]),
        helper.make_node("Greater", ["counts", "half"], ["upper"]),
        helper.make_node("Transpose", ["upper"], ["flipped"]),
        helper.make_node("Transpose", ["flipped"], ["down"]),
        known("all", np.ones((4, 4), bool)),
        helper.make_node("And", ["all", "down"], ["mask"]),
    ],
    "scattered": [
        known("nothing", np.zeros((4, 4), bool)),
        known("places", np.argwhere(TRIANGLE)),
        known("true", np.ones(10, bool)),
        helper.make_node("ScatterND", ["nothing", "places", "true"], ["mask"]),
    ],
}  # fmt: skip


def attention_model(nodes):
    nodes = [*nodes, helper.make_node("Attention", ["x", "x", "x", "mask"], ["y"], q_num_heads=2, kv_num_heads=2)]
    graph = helper.make_graph(
        nodes, "g", [tensor_info("x", shape=[2, 4, 6])], [tensor_info("y", shape=[2, 4, 6])]
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 23)], ir_version=10)


@pytest.mark.parametrize("name", CAUSAL_MASKS)
def test_causal_masks_are_recognised(name, tmp_path):
    path = save(attention_model(CAUSAL_MASKS[name]), tmp_path / "m.onnx")
    text = run("fp8c", "compile", path, "--emit=train", "--forward-only")
    assert "train.attention" in text and "causal" in text and "arith.constant" not in text


@pytest.mark.parametrize("mask", [np.ones((4, 4), bool), np.zeros((1, 1, 1, 4), np.float32)])
def test_masks_that_hide_nothing(mask, tmp_path):
    text = run("fp8c", "compile", save(attention_model([known("mask", mask)]), tmp_path / "m.onnx"), "--emit=train", "--forward-only")
    assert "train.attention" in text and "causal" not in text


@pytest.mark.parametrize("hidden", [False, True])
def test_guards_against_blind_rows(hidden, tmp_path):
    """Where a row of the mask sees nothing the guard stays, else it goes."""
    mask = np.where(TRIANGLE, 0, -np.inf).astype(np.float32)
    if hidden:
        mask[1] = -np.inf
    nodes = [
        known("mask", mask),
        known("zero", np.float32(0)),
        helper.make_node("Add", ["x", "mask"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["p"]),
        helper.make_node("IsNaN", ["p"], ["bad"]),
        helper.make_node("Where", ["bad", "zero", "p"], ["y"]),
    ]
    graph = helper.make_graph(nodes, "g", [tensor_info("x", shape=[4, 4])], [tensor_info("y", shape=[4, 4])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    text = run("fp8c", "compile", save(model, tmp_path / "m.onnx"), "--emit=train", "--forward-only")
    assert ("train.select" in text) == hidden
    if hidden:
        check(model, {"x": draw(4, 4)}, tmp_path)


# ------------------------------------------------------------------------------
# What is wrong
# ------------------------------------------------------------------------------


def refuse(model, says, folder):
    path = save(model, folder / "bad.onnx")
    return refuses("fp8c", "compile", path, "-o", "out.fp8x", "--forward-only", folder=folder, says=says)


def node(op, inputs, output, name="n", **attributes):
    return helper.make_node(op, inputs, [output], name=name, **attributes)


WRONG_FUNCTIONS = {
    "calls-itself": ([("f", [node("f", ["a"], "b", domain="local")])], "'f' calls itself"),
    "in-a-circle": (
        [("f", [node("g", ["a"], "b", domain="local")]), ("g", [node("f", ["a"], "b", domain="local")])],
        "calls itself",
    ),
    "twice": ([("f", [node("Neg", ["a"], "b")]), ("f", [node("Abs", ["a"], "b")])], "two functions have the name 'f'"),
    "grows": (
        [(f"f{i}" if i else "f", [node(f"f{i + 1}", ["a"], f"b{j}", domain="local") for j in range(9)]
          + [node("Neg", ["b0"], "b")]) for i in range(8)] + [("f8", [node("Neg", ["a"], "b")])],
        "more than a million nodes",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG_FUNCTIONS)
def test_wrong_functions(name, tmp_path):
    functions, says = WRONG_FUNCTIONS[name]
    bodies = [local_function(function, ["a"], ["b"], nodes) for function, nodes in functions]
    refuse(structured_model([node("f", ["x"], "y", domain="local")], ["y"], bodies), says, tmp_path)


HUGE = 2**62
WRONG_NODES = {
    "condition": ([helper.make_node("ReduceMax", ["x"], ["m"], keepdims=0), helper.make_node("Cast", ["m"], ["c"], to=9),
                   node("If", ["c"], "y", then_branch=branch("a", "Abs"), else_branch=branch("b", "Exp"))], "only known at run time"),
    "shape": ([known("s", ints(HUGE, 4)), node("Reshape", ["x", "s"], "y")], "cannot give"),
    "expand": ([known("s", ints(HUGE, 2, 3)), node("Expand", ["x", "s"], "y")], "too large"),
    "tile": ([known("s", ints(HUGE, HUGE)), node("Tile", ["x", "s"], "y")], "too large"),
    "negative-tile": ([known("s", ints(-1, 1)), node("Tile", ["x", "s"], "y")], "a count per dimension"),
    "range": ([known("a", 0), known("b", HUGE), known("c", 1), node("Range", ["a", "b", "c"], "y")], "too large"),
    "filled": ([known("s", ints(HUGE, 4)), node("ConstantOfShape", ["s"], "y")], "impossible shape"),
    "pads": ([known("s", ints(HUGE, HUGE, HUGE, HUGE)), node("Pad", ["x", "s"], "y")], "pads dimension 0"),
    "cut": ([known("s", ints(-9, 0, 0, 0)), node("Pad", ["x", "s"], "y")], "pads dimension 0"),
    "wide-pads": ([known("s", ints(0, 0, 2**39, 0)), node("Pad", ["x", "s"], "y", mode="reflect")], "too large"),
    "depth": ([known("i", ints(1)), known("d", HUGE), known("v", ints(0, 1)), node("OneHot", ["i", "d", "v"], "y")], "depth"),
    "position": ([known("i", 7), helper.make_node("SplitToSequence", ["x"], ["s"]), node("SequenceAt", ["s", "i"], "y")], "a position 7"),
    "parts": ([known("s", ints(2**31, 2, 3)), helper.make_node("Expand", ["x", "s"], ["e"]),
               helper.make_node("SplitToSequence", ["e"], ["p"]), known("i", 0), node("SequenceAt", ["p", "i"], "y")],
              "2147483648 parts"),
    "parts-of-a-size": ([known("s", ints(2**31, 2, 3)), helper.make_node("Expand", ["x", "s"], ["e"]), known("two", 2),
                         helper.make_node("SplitToSequence", ["e", "two"], ["p"]), known("i", 0),
                         node("SequenceAt", ["p", "i"], "y")], "1073741824 parts"),
    "sequence": ([known("i", 0), node("SequenceAt", ["x", "i"], "y")], "must be a sequence"),
    "tensor": ([helper.make_node("SplitToSequence", ["x"], ["s"]), node("Neg", ["s"], "y")], "is a sequence"),
    "output": ([node("SplitToSequence", ["x"], "y")], "is a sequence"),
    "types": ([known("i", ints(1, 2, 3)), node("Add", ["x", "i"], "y")], "different element types"),
    "equation": ([node("Einsum", ["x"], "y", equation="ijk->i")], "a term 'ijk'"),
    "einsum-result": ([node("Einsum", ["x"], "y", equation="ij->k")], "a result 'k'"),
    "indices": ([known("i", ints(5)), node("Gather", ["x", "i"], "y")], "an index 5"),
    "tuples": ([known("i", ints(0, 3).reshape(1, 2)), node("GatherND", ["x", "i"], "y")], "an index 3"),
    "updates": ([known("i", ints(0).reshape(1, 1)), node("ScatterND", ["x", "i", "x"], "y")], "needs updates [1, 3]"),
    "batch-statistics": ([known("v", np.ones(3, np.float32)), node("BatchNormalization", ["x", *"vvvv"], "y", training_mode=1)],
                         "training_mode"),
    "quantised": ([known("s", np.float32(1)), node("QuantizeLinear", ["x", "s"], "y")], "choose a recipe"),
    "kernels": ([known("w", np.ones((1, 3, 1), np.float32)), node("Conv", ["x", "w"], "y")], "[batch, channels, ...]"),
    "version": ([node("Gelu", ["x"], "y")], "known from opset 20 on"),
    "domain": ([node("Gelu", ["x"], "y", domain=MICROSOFT)], "imports no version"),
    "branch": ([known("c", False), node("If", ["c"], "y", then_branch=branch("a", "Abs"))], "lacks the branch"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG_NODES)
def test_wrong_nodes(name, tmp_path):
    nodes, says = WRONG_NODES[name]
    refuse(structured_model(nodes, ["y"]), says, tmp_path)


def test_an_unknown_operator_hides_no_other(tmp_path):
    """Types behind it are those that the file declares, or those before it; what
    is wrong because of a guess is not told."""
    nodes = [
        node("Celu", ["x"], "a", name="one"),
        node("MatMul", ["x", "a"], "guess", name="two"),  # does not fit, and may be right
        node("Hardmax", ["guess"], "b", name="three"),
        node("Det", ["x"], "c", name="four"),
        node("Gemm", ["c", "c"], "d", name="five"),
        node("Hardmax", ["d"], "e", name="six"),
    ]
    model = structured_model(nodes, ["b", "e"], value_info=[tensor_info("c", shape=[4, 4])])
    output = refuse(model, ["4 nodes cannot be imported", "one", "three and 1 more", "four"], tmp_path)
    assert "cannot multiply" not in output
