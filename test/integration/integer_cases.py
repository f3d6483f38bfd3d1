"""Cases of integers and booleans for one program, with NumPy as their oracle.

    python integer_cases.py FOLDER

writes the program as train-dialect text (integers.mlir), its inputs and what it must
return (in.safetensors, expected.safetensors), for machines that have no compiler.
"""

import math
import pathlib
import sys

import numpy as np

from support import write_safetensors

MLIR = {"f32": np.float32, "i64": np.int64, "i32": np.int32, "i1": np.bool_}
NAMES = {np.dtype(dtype): name for name, dtype in MLIR.items()}

# Operands as kernels read them: whole, trailing dimensions, one number per row, a scalar,
# odd sizes; and those that must be repeated first. Multiples of 8 are packs on a GPU.
SHAPES = [
    ((4, 16), (4, 16)),
    ((4, 16), (16,)),
    ((4, 16), (4, 1)),
    ((3, 7), ()),
    ((2, 1, 8), (3, 1)),
    ((1,), (5, 3)),
]


def tensor(array):
    return f"tensor<{''.join(f'{size}x' for size in array.shape)}{NAMES[array.dtype]}>"


def wrapped(value, dtype):
    """An integer modulo 2^bits."""
    bits = np.dtype(dtype).itemsize * 8
    return (int(value) + (1 << bits - 1)) % (1 << bits) - (1 << bits - 1)


def exactly(function):
    """A binary operation with Python's integers, which do not overflow."""

    def compute(a, b):
        pairs = np.broadcast(a, b)
        values = [wrapped(function(int(x), int(y)), a.dtype) for x, y in pairs]
        return np.array(values, a.dtype).reshape(pairs.shape)

    return compute


def truncated(a, b):
    return 0 if b == 0 else abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


ARITHMETIC = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": truncated,
    "minimum": min,
    "maximum": max,
}
COMPARE = {
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
}
LOGIC = {"and": np.logical_and, "or": np.logical_or, "xor": np.logical_xor}
FLOATS = {"sin": np.sin, "cos": np.cos, "floor": np.floor, "ceil": np.ceil, "round": np.round, "sign": np.sign}


def converted(x, dtype):
    """Towards zero; beyond the integers the last of them, NaN 0; what is not 0 is true."""
    if dtype == np.bool_:
        return x != 0
    if x.dtype.kind == "f" and np.dtype(dtype).kind == "i":
        info = np.iinfo(dtype)
        values = [0 if math.isnan(v) else int(min(max(v, -1e30), 1e30)) for v in x.ravel().tolist()]
        return np.array([min(max(v, info.min), info.max) for v in values], dtype).reshape(x.shape)
    return x.astype(dtype)


class Program:
    """A function with a result for every case."""

    def __init__(self, seed=0):
        self.random = np.random.default_rng(seed)
        self.inputs, self.expected, self.lines, self.results = {}, {}, [], []

    def draw(self, kind, shape):
        """Values that floats cannot tell apart, small ones, and the ends of the range."""
        dtype = MLIR[kind]
        if kind == "f32":
            odd = [0.0, -0.0, 0.5, 1.5, -2.5, np.nan, np.inf, -np.inf, 3e9, -3e9, 1e19, -1e19]
            values = np.where(self.random.random(shape) < 0.4, self.random.choice(odd, shape), self.random.normal(0, 9, shape))
            return values.astype(dtype)
        if kind == "i1":
            return self.random.random(shape) < 0.5
        info = np.iinfo(dtype)
        large = [2**24 + 1, -(2**24) - 3, 2**31 - 1, info.min, info.max, 0, 1, -1, -1, 0]
        large += [2**40 + 3, -(2**40) - 1, 2**62 + 1] if kind == "i64" else []
        small = self.random.integers(-9, 10, shape)
        return np.where(self.random.random(shape) < 0.6, self.random.choice(large, shape), small).astype(dtype)

    def input(self, kind, shape, value=None):
        """The name of an input. Those of one kind and shape are one tensor."""
        name = f"{kind}_{'x'.join(map(str, shape))}" if value is None else f"given_{len(self.inputs)}"
        if name not in self.inputs:
            self.inputs[name] = self.draw(kind, shape) if value is None else value
        return name

    def case(self, name, op, operands, expected):
        """`op` is the text around the operands, of which `{}` take the names."""
        expected = np.asarray(expected)
        types = ", ".join(tensor(self.inputs[operand]) for operand in operands)
        text = op.format(*(f"%{operand}" for operand in operands))
        self.lines.append(f"%r{len(self.results)} = train.{text} : {types} -> {tensor(expected)}")
        self.results.append(name)
        self.expected[name] = expected

    def op(self, name, op, function, *operands):
        names = ", ".join("{}" for _ in operands)
        with np.errstate(all="ignore"):
            self.case(name, f"{op} {names}", operands, function(*(self.inputs[operand] for operand in operands)))

    def text(self):
        arguments = ", ".join(f'%{n}: {tensor(v)} {{fp8.name = "{n}"}}' for n, v in self.inputs.items())
        types = ", ".join(f'{tensor(self.expected[n])} {{fp8.name = "{n}"}}' for n in self.results)
        values = ", ".join(f"%r{i}" for i in range(len(self.results)))
        plain = ", ".join(tensor(self.expected[n]) for n in self.results)
        body = "\n".join(self.lines)
        return f"func.func @forward({arguments}) -> ({types}) attributes {{train.function = #train.function<forward>}} {{\n{body}\nreturn {values} : {plain}\n}}\n"


def elementwise(program):
    at = 0

    def operands(kind, swap=False):
        nonlocal at
        at += 1
        shapes = SHAPES[at % len(SHAPES)]
        names = [program.input(kind, shape) for shape in shapes]
        if shapes[0] == shapes[1]:
            names[1] = program.input(kind, shapes[1], program.draw(kind, shapes[1]))
        return names[::-1] if swap else names

    for kind in ("i64", "i32"):
        for op, function in ARITHMETIC.items():
            for swap in (False, True, True):
                program.op(f"{op}-{kind}-{at}", op, exactly(function), *operands(kind, swap))
        x = program.input(kind, (4, 16))
        for op, function in (("neg", lambda a, _: -a), ("abs", lambda a, _: abs(a)), ("sign", lambda a, _: (a > 0) - (a < 0))):
            program.op(f"{op}-{kind}", op, lambda a, f=function: exactly(f)(a, a), x)
    for kind in MLIR:
        for predicate, function in COMPARE.items():
            program.op(f"{predicate}-{kind}", f"compare {predicate}", function, *operands(kind, at % 2 == 0))
        condition, (a, b) = program.input("i1", (4, 16)), (program.input(kind, (4, 16)), program.input(kind, (16,)))
        program.op(f"select-{kind}", "select", np.where, condition, a, b)
        program.op(f"select-row-{kind}", "select", np.where, program.input("i1", (4, 1)), b, a)
        program.op(f"select-float-{kind}", "select", lambda c, a, b: np.where(c > 0, a, b), program.input("f32", (4, 16)), a, b)
        for other, dtype in MLIR.items():
            if other != kind:
                program.op(f"{kind}-to-{other}", "convert", lambda x, t=dtype: converted(x, t), a)
    for op, function in LOGIC.items():
        program.op(op, op, function, *operands("i1"))
    x = program.input("f32", (4, 16))
    for op, function in (("minimum", np.minimum), ("maximum", np.maximum)):
        program.op(f"{op}-f32", op, function, x, program.input("f32", (16,)))
    finite = program.input("f32", (4, 16), program.random.normal(0, 30, (4, 16)).astype(np.float32))
    halves = program.input("f32", (9,), np.arange(-4, 5, dtype=np.float32) / 2)
    for op, function in FLOATS.items():
        program.op(op, op, lambda x, f=function: f(x.astype(np.float64)).astype(np.float32), finite)
    program.op("round-halves", "round", np.round, halves)


def moves(program):
    """Reductions, and ops that only move elements."""
    for kind in ("i64", "i32"):
        x = program.input(kind, (3, 4, 8))
        value = program.inputs[x]
        for axes in ((2,), (1,), (0, 2), (0, 1, 2)):
            exact = value.astype(object).sum(axes)
            total = np.vectorize(lambda v: wrapped(v, value.dtype), otypes=[value.dtype])(exact)
            text = str(list(axes))
            program.case(f"sum-{kind}-{axes}", f"reduce_sum {{}} axes {text}", [x], total)
            program.case(f"max-{kind}-{axes}", f"reduce_max {{}} axes {text}", [x], value.max(axes))
    for kind in ("i64", "i32", "i1"):
        x, y = program.input(kind, (4, 16)), program.input(kind, (4, 16), program.draw(kind, (4, 16)))
        a, b = program.inputs[x], program.inputs[y]
        program.op(f"reshape-{kind}", "reshape", lambda v: v.reshape(8, 8), x)
        program.case(f"transpose-{kind}", "transpose {} [1, 0]", [x], a.T)
        program.case(f"slice-{kind}", "slice {} at [1, 2] by [2, 3]", [x], a[1::2, 2::3])
        program.case(f"concat-{kind}", "concat {}, {} axis 1", [x, y], np.concatenate([a, b], 1))
        program.case(f"broadcast-{kind}", "broadcast_to {}", [x], np.broadcast_to(a, (3, 4, 16)))
        placed = np.zeros((5, 40), a.dtype)
        placed[1:, 3:35:2] = a
        program.case(f"place-{kind}", "place {} at [1, 3] by [1, 2]", [x], placed)
    data = program.random.normal(size=(3, 10)).astype(np.float32)
    indices = np.array([[0, 9, -1, 3, 3, -10], [1, 1, 1, 1, 10, 2], [-11, 5, 2**40, 0, -(2**40), 9]])
    inside = (indices >= -10) & (indices < 10)
    chosen = np.where(inside, np.take_along_axis(data, np.where(inside, indices, 0), 1), np.float32(np.nan))
    names = program.input("f32", data.shape, data), program.input("i64", indices.shape, indices)
    program.case("gather", "gather_elements {}, {}", names, chosen)
    cotangent = program.random.normal(size=indices.shape).astype(np.float32)
    scattered = np.zeros_like(data)
    for (i, j), index in np.ndenumerate(indices):
        if inside[i, j]:
            scattered[i, index] += cotangent[i, j]
    dy = program.input("f32", cotangent.shape, cotangent)
    program.case("scatter", "gather_elements_vjp {}, {}", (dy, names[1]), scattered)


def build():
    program = Program()
    elementwise(program)
    moves(program)
    return program


def check(name, actual, expected):
    """Bits but for sine and cosine, whose libraries err by two units in the last place."""
    assert actual.dtype == expected.dtype and actual.shape == expected.shape, name
    if name in ("sin", "cos"):
        np.testing.assert_allclose(actual, expected, rtol=4 * 2.0**-24, atol=2.0**-24, err_msg=name)
    else:
        np.testing.assert_array_equal(actual, expected, err_msg=name)


def write(folder):
    program = build()
    (folder / "integers.mlir").write_text(program.text())
    write_safetensors(folder / "in.safetensors", program.inputs)
    write_safetensors(folder / "expected.safetensors", program.expected)
    return program


if __name__ == "__main__":
    write(pathlib.Path(sys.argv[1]))
