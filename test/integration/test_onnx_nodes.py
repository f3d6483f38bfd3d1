"""The node tests of ONNX's backend test suite, computed by compiled programs.

Every case of the suite whose operators fp8c imports (`fp8c operators`) is either
compiled, run and compared, or refused by the compiler for one of the reasons of
REFUSED. The cases of one opset become one program: their graphs side by side.

The suite gives everything as an input of the graph, even shapes and axes, which
fp8c must know while it compiles. Where it asks for that, the inputs of integers
and booleans become constants, and if that is not enough all of them.

Tolerance
---------
Integers and booleans must agree exactly. For floats, u = 2^-24 is the unit
roundoff of f32. Each rounding on the way multiplies an intermediate by (1 + d),
|d| <= u. As in test_vjp.py at most

  n = 16 + terms of the longest sum

of them follow one another, and each acts like a relative change of the values
that it is made of. What such changes do is measured: every input is changed by
a relative s = 2^-10 of random sign, and C = |y(changed) - y| / s, the largest of
three tries. |y| itself accounts for the last roundings. The expected values are
results in f32 as well, with the same bound, hence

  |computed - expected| <= 2 n u (|y| + C)

No sum is longer than the largest input has elements. Where no rounding can show
(s moves nothing, y = 0) the value must be exact. Denormal numbers may be flushed
to zero, which the smallest normal number allows for.
"""

import concurrent.futures
import re
import subprocess
import warnings
from collections import defaultdict

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from support import BIN, call, compile_model, run, save

UNIT_ROUNDOFF = 2.0**-24
CHANGE = 2.0**-10
TRIES = 3
SMALLEST_NORMAL = 2.0**-126

# Why the compiler refuses a case, in its own words.
REFUSED = [
    # Types: a program takes and gives f32, integers of 32 and 64 bits, booleans.
    r"is of (double|float16|bfloat16|string|u?int(8|16|32|64)); inputs can be of float, int64, int32 and bool",
    r"output '\w+' is of u?i\d+; outputs can be of float, int64, int32 and bool",
    r"input '\w+' \('[^']*'\) is of u?i\d+, not float",
    # Tests written for opsets before 7, and never since.
    r"the model uses opset \d+ of ONNX; known are",
    # Tensors without elements.
    r"has no usable shape: |has no elements",
    # Forms of operators that no training graph of a transformer has.
    r"Attention  .*(sees a window of padded keys|has padded keys)",
    r"Conv  .*(its patches overlap|convolves channels in groups)",
    r"BatchNormalization  .*takes its statistics from the batch",
    r"Dropout  .*drops out: export the model for inference",
    r"Cast  .*casts values known at run time to uint8",
    r"QuantizeLinear  .*quantises values known at run time",
]

# ------------------------------------------------------------------------------
# Cases
# ------------------------------------------------------------------------------


def is_float(array):
    return array.dtype.kind == "f" or array.dtype == ml_dtypes.bfloat16


class Case:
    """A model of the suite, its inputs and outputs by name."""

    def __init__(self, test):
        self.name = test.name
        self.model = onnx.ModelProto()
        self.model.CopyFrom(test.model)
        inputs, outputs = test.data_sets[0]
        graph = self.model.graph
        self.inputs = dict(zip([i.name for i in graph.input], map(np.asarray, inputs)))
        self.outputs = dict(zip([o.name for o in graph.output], map(np.asarray, outputs)))

    @property
    def opset(self):
        return next(o.version for o in self.model.opset_import if o.domain == "")

    def operators(self):
        return {node.op_type if node.domain in ("", "ai.onnx") else node.domain for node in self.model.graph.node}

    def freeze(self, kinds):
        """Makes constants of inputs of these NumPy kinds."""
        graph = self.model.graph
        for name in [n for n, v in self.inputs.items() if v.dtype.kind in kinds]:
            value = numpy_helper.from_array(self.inputs.pop(name))
            graph.node.insert(0, helper.make_node("Constant", [], [name], value=value))
            graph.input.remove(next(i for i in graph.input if i.name == name))

    def path(self, name):
        return f"{self.name}/{name}"

    def roles(self, name=lambda name: name):
        """Options: no input is a mask, a position or a label, whatever its name."""
        return [word for n in self.inputs for word in ("--input", f"{name(n)}=data")]

    def tolerances(self):
        """Of each output."""
        if "Scatter" in self.operators():  # which the evaluator has not, and which only moves
            return [SMALLEST_NORMAL] * len(self.outputs)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            evaluator = ReferenceEvaluator(self.model)
            at = evaluator.run(None, self.inputs)
            random, spread = np.random.default_rng(1), [0.0] * len(at)
            for _ in range(TRIES):
                changed = {
                    n: v * (1 + CHANGE * random.choice([-1, 1], v.shape)).astype(v.dtype) if v.dtype.kind == "f" else v
                    for n, v in self.inputs.items()
                }
                moved = evaluator.run(None, changed)
                spread = [np.fmax(s, abs(m - y)) if y.dtype.kind == "f" else s for s, m, y in zip(spread, moved, at)]
        terms = max([np.size(v) for v in self.inputs.values()], default=1)
        if not any(map(is_float, self.inputs.values())):
            # Only constants of the graph, of about 1, could be changed.
            spread = [CHANGE * np.fmax(1, abs(y)) if is_float(y) else s for y, s in zip(self.outputs.values(), spread)]
        # What is expected of a narrower type was rounded to it on the way.
        rounding = [max(UNIT_ROUNDOFF, float(ml_dtypes.finfo(y.dtype).eps) / 2) if is_float(y) else 0 for y in self.outputs.values()]
        bounds = [2 * (16 + terms) * u for u in rounding]
        return [b * (abs(y) + s / CHANGE) + SMALLEST_NORMAL for b, y, s in zip(bounds, self.outputs.values(), spread)]

    def compare(self, results):
        """What is wrong with the results, in words; empty if nothing is."""
        wrong = []
        for (name, expected), tolerance in zip(self.outputs.items(), self.tolerances()):
            actual = results[self.path(name)]
            if is_float(expected):  # of whatever width: programs give f32
                expected = expected.astype(np.float32)
            if (actual.shape, actual.dtype) != (expected.shape, expected.dtype):
                wrong.append(f"{name} is {actual.dtype}{actual.shape}, not {expected.dtype}{expected.shape}")
            elif expected.dtype.kind != "f":
                if (actual != expected).any():
                    wrong.append(f"{name} is\n{actual}\nnot\n{expected}")
            else:
                with np.errstate(invalid="ignore"):
                    close = (abs(actual - expected) <= tolerance) | (actual == expected)
                close |= np.isnan(actual) & np.isnan(expected)
                if not close.all():
                    ratio = np.max((abs(actual - expected) / tolerance)[~close])
                    wrong.append(f"{name}: {(~close).sum()} of {close.size} wrong, by up to {ratio:.3g} times the tolerance")
        return "; ".join(wrong)


@pytest.fixture(scope="module")
def operators():
    """What fp8c imports, and whether at run time or while importing."""
    lines = map(str.split, run("fp8c", "operators").splitlines())
    return {line[0]: " ".join(line[2:]) or "at run time" for line in lines}


@pytest.fixture(scope="module")
def suite(operators):
    """The cases that have no other operators and that are made of arrays."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from onnx.backend.test.case.node import collect_testcases

        tests = collect_testcases(None)
    arrays = [t for t in tests if all(isinstance(v, (np.ndarray, np.generic)) for values in t.data_sets[0] for v in values)]
    return [case for case in map(Case, arrays) if case.operators() <= operators.keys()]


def refusal(case, folder):
    """What the compiler has against the case; freezes it if that helps."""
    errors = []
    for kinds in ("", "iub", "iubf"):
        case.freeze(kinds)
        path = save(case.model, folder / f"{case.name}.onnx")
        done = subprocess.run(
            [BIN / "fp8c", "compile", path, "--emit=train", "--forward-only", *case.roles()],
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode in (0, 1), f"{case.name}: {done.stderr}"
        if done.returncode == 0:
            return None
        errors.append(done.stderr)
    return errors[1]


@pytest.fixture(scope="module")
def sorted_suite(suite, tmp_path_factory):
    """The cases that compile, and those that do not with what they are told."""
    folder = tmp_path_factory.mktemp("cases")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        refusals = list(pool.map(lambda case: refusal(case, folder), suite))
    taken = [case for case, error in zip(suite, refusals) if error is None]
    return taken, {case.name: error for case, error in zip(suite, refusals) if error is not None}


# ------------------------------------------------------------------------------
# Programs
# ------------------------------------------------------------------------------


def rename(graph, path):
    """Gives every name of the graph, and of graphs in it, what `path` makes of it."""
    for index, node in enumerate(graph.node):
        node.name = path(f"{node.op_type}.{index}")
        for names in (node.input, node.output):
            names[:] = [path(name) if name else "" for name in names]
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                rename(attribute.g, path)
    for value in [*graph.input, *graph.output, *graph.initializer]:
        value.name = path(value.name)


def side_by_side(cases):
    """One model of them all. Every name gets its case's in front."""
    graph = onnx.GraphProto(name="cases")
    for case in cases:
        part = onnx.GraphProto()
        part.CopyFrom(case.model.graph)
        rename(part, case.path)
        graph.node.extend(part.node)
        graph.input.extend(part.input)
        graph.output.extend(part.output)
        graph.initializer.extend(part.initializer)
    return helper.make_model(graph, opset_imports=cases[0].model.opset_import, ir_version=10)


def test_nodes(sorted_suite, tmp_path):
    programs, wrong = defaultdict(list), []
    for case in sorted_suite[0]:
        programs[case.opset].append(case)
    for opset, cases in programs.items():
        model = save(side_by_side(cases), tmp_path / f"opset{opset}.onnx")
        roles = [word for case in cases for word in case.roles(case.path)]
        program = compile_model(model, tmp_path / f"opset{opset}.fp8x", "--recipe", "f32", "--forward-only", *roles)
        inputs = {case.path(n): v for case in cases for n, v in case.inputs.items()}
        results = call(program, "forward", inputs, folder=tmp_path)
        wrong += [f"{case.name}: {text}" for case in cases if (text := case.compare(results))]
    assert not wrong, f"{len(wrong)} cases are wrong\n" + "\n".join(wrong)


def test_reasons(sorted_suite):
    """No case is passed over that could be computed, none for an unknown reason."""
    taken, refused = sorted_suite
    unknown = {n: e for n, e in refused.items() if not any(re.search(r, e) for r in REFUSED)}
    assert not unknown, "\n".join(f"{name}: {error}" for name, error in unknown.items())
    unused = [r for r in REFUSED if not any(re.search(r, e) for e in refused.values())]
    assert not unused, "no case is refused for these reasons any more"
    assert len(taken) >= 850


def test_every_operator_is_computed(operators, sorted_suite):
    """RandomNormal has no expected numbers, sequences are no arrays, no convolution is
    of patches, what is quantised is no output, and the rest is ONNX Runtime's."""
    computed = set().union(*(case.operators() for case in sorted_suite[0]))
    onnx_operators = {name for name in operators if not name.startswith("com.microsoft.")}
    assert onnx_operators - computed == {
        "Conv", "QuantizeLinear", "RandomNormal", "SequenceAt", "SequenceConstruct", "SequenceLength",
        "SimplifiedLayerNormalization", "SplitToSequence",
    }  # fmt: skip
