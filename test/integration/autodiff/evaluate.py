"""Evaluates functions of the train dialect in float64 with NumPy.

An oracle for tests: written from the ops' descriptions, it shares no code with
the compiler. It reads MLIR's generic form, one block per function.
"""

import itertools
import math
import re
import subprocess

import numpy as np

# ------------------------------------------------------------------------------
# Reading
# ------------------------------------------------------------------------------

OP = re.compile(
    r'\s*(?:(?P<results>%[^=]*?) = )?"(?P<op>[\w.]+)"\((?P<operands>[^()]*)\)'
    r"(?: <\{(?P<properties>.*?)\}>)?(?: \{(?P<attributes>.*)\})? : \((?P<types>.*)$"
)
FUNCTION = re.compile(r'"func.func"\(\) <\{.*sym_name = "(\w+)"')
VARIABLE = re.compile(r'"train.variable"\(\) <\{.*sym_name = "([^"]+)", type = tensor<([^>]*)>')
ATTRIBUTE = re.compile(r'([\w.]+)(?: = (array<[^>]*>|dense<.*> : tensor<[^>]*>|@"[^"]*"|"[^"]*"|[^,]+))?')


def parse_shape(text):
    """The shape in "4x8xf32" or in a whole tensor type."""
    text = text.removeprefix("tensor<").removesuffix(">")
    return tuple(int(size) for size in text.split("x")[:-1])


def parse_attribute(text):
    if text is None:
        return True
    if text.startswith("array<"):
        return tuple(int(x) for x in re.findall(r"-?\d+", text.removeprefix("array<i64")))
    if text.startswith("dense<"):
        value, kind = text.removeprefix("dense<").rsplit("> : ", 1)
        return np.broadcast_to(np.array(eval(value)), parse_shape(kind))
    if text[0] in '@"':
        return text.strip('@"')
    if text.startswith(("#train", "#fp8")):  # of an enumeration
        return re.split("[< ]", text.removesuffix(">"))[-1]
    return float(text.split(":")[0])


class Op:
    def __init__(self, match):
        self.name = match["op"]
        self.operands = match["operands"].split(", ") if match["operands"] else []
        name, _, count = (match["results"] or "").partition(":")
        self.results = [f"{name}#{i}" for i in range(int(count))] if count else [name]
        self.shapes = [parse_shape(t) for t in re.findall(r"tensor<[^>]*>", match["types"].split("-> ")[-1])]
        text = ", ".join(filter(None, (match["properties"], match["attributes"])))
        self.attributes = {k: parse_attribute(v or None) for k, v in ATTRIBUTE.findall(text)}

    def __getattr__(self, key):
        return self.attributes.get(key)


class Module:
    """The functions of a module, each a list of argument names and one of ops."""

    def __init__(self, text):
        self.functions, self.variables = {}, {}
        arguments = ops = None
        for line in text.splitlines():
            if match := FUNCTION.search(line):
                arguments, ops = self.functions[match[1]] = ([], [])
            elif match := VARIABLE.search(line):
                self.variables[match[1]] = parse_shape(match[2])
            elif line.strip().startswith("^bb0"):
                arguments += re.findall(r"(%\w+):", line)
            elif ops is not None and (match := OP.match(line)):
                ops.append(Op(match))

    def run(self, function, arguments, variables, hyper=None, first=False):
        """Returns the function's results and the variables as they are after it.
        `first`: whether the micro-batch is the first of a step."""
        names, ops = self.functions[function]
        values, after = dict(zip(names, arguments)), dict(variables)
        for op in ops:
            operands = [values[name] for name in op.operands]
            if op.name == "func.return":
                return operands, after
            if op.name == "train.read":
                results = variables[op.variable]
                if op.accumulated and first:
                    results = np.zeros_like(results)
            elif op.name == "train.assign":
                after[op.variable] = operands[0]
                continue
            elif op.name == "train.hyper":
                results = np.float64(hyper[op.symbol])
            else:
                results = EVALUATE[op.name.removeprefix("train.")](op, *operands)
            results = results if isinstance(results, (tuple, list)) else [results]
            for name, value, shape in zip(op.results, results, op.shapes, strict=True):
                assert np.shape(value) == shape, f"{op.name}: {np.shape(value)} is not {shape}"
                values[name] = value
        raise ValueError(f"@{function} has no return")


def load(text, *passes, tool="fp8c-opt"):
    """The module that the passes make of the text."""
    command = [tool, "-", *passes, "--mlir-print-op-generic"]
    done = subprocess.run(command, input=text, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return Module(done.stdout)


# ------------------------------------------------------------------------------
# Operations
# ------------------------------------------------------------------------------

erf = np.vectorize(math.erf, otypes=[np.float64])


def gelu(op, x):
    if op.tanh:
        return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return x * 0.5 * (1 + erf(x / math.sqrt(2)))


def gelu_vjp(op, x, dy):
    if op.tanh:
        inner = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
        slope = math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * x**2)
        t = np.tanh(inner)
        return dy * (0.5 * (1 + t) + 0.5 * x * (1 - t**2) * slope)
    density = np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
    return dy * (0.5 * (1 + erf(x / math.sqrt(2))) + x * density)


def rows(x):
    """Averages over the last dimension."""
    return x.mean(-1, keepdims=True)


def columns(x):
    """Sums over all dimensions but the last."""
    return x.sum(axis=tuple(range(x.ndim - 1)))


def layer_norm(op, x, w, b):
    mean = rows(x)
    rstd = 1 / np.sqrt(rows((x - mean) ** 2) + op.epsilon)
    return (x - mean) * rstd * w + b, mean, rstd


def layer_norm_vjp(op, dy, x, w, mean, rstd):
    h, g = (x - mean) * rstd, dy * w
    return rstd * (g - rows(g) - h * rows(g * h))


def rms_norm(op, x, w):
    rstd = 1 / np.sqrt(rows(x**2) + op.epsilon)
    return x * rstd * w, rstd


def rms_norm_vjp(op, dy, x, w, rstd):
    h, g = x * rstd, dy * w
    return rstd * (g - h * rows(g * h))


def softmax(op, x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def log_softmax(op, x):
    z = x - x.max(-1, keepdims=True)
    return z - np.log(np.exp(z).sum(-1, keepdims=True))


def matmul(op, a, b):
    ca = op.lhs_contracting or (a.ndim - 1,)
    cb = op.rhs_contracting or (max(b.ndim - 2, 0),)
    label = itertools.count()
    la = [next(label) for _ in a.shape]
    lb = [next(label) for _ in b.shape]
    batch = int(op.batch or 0)
    lb[:batch] = la[:batch]
    for i, j in zip(ca, cb, strict=True):
        lb[j] = la[i]
    contracted = {la[i] for i in ca}
    free = [x for x in la + lb[batch:] if x not in contracted]
    return np.einsum(a, la, b, lb, free)


def box(op, shape):
    return tuple(slice(o, o + (n - 1) * s + 1, s) for o, s, n in zip(op.offsets, op.strides, shape))


def place(op, x):
    y = np.zeros(op.shapes[0])
    y[box(op, x.shape)] = x
    return y


def split(op, x):
    ends = np.cumsum([shape[int(op.axis)] for shape in op.shapes])
    return np.split(x, ends[:-1], axis=int(op.axis))


def heads(x, count):
    """[B, T, heads * D] as [B, heads, T, D]."""
    return x.reshape(*x.shape[:2], count, -1).transpose(0, 2, 1, 3)


def joined(x):
    return x.transpose(0, 2, 1, 3).reshape(x.shape[0], x.shape[2], -1)


def scores(op, q, k, bias=None, lengths=None):
    """What the softmax is of, and the derivative of what caps it."""
    s, slope = op.scale * heads(q, int(op.heads)) @ shared(op, k).swapaxes(2, 3), 1
    if op.softcap:
        bounded = np.tanh(s / op.softcap)
        s, slope = op.softcap * bounded, 1 - bounded**2
    if bias is not None:
        hidden = np.broadcast_to(bias == np.finfo("f4").min, s.shape)
        s, slope = np.where(hidden, -3.4e38, s + bias), np.where(hidden, 0, slope)
    query, key = np.ogrid[: s.shape[2], : s.shape[3]]
    sees = np.ones(s.shape, bool)
    if op.causal:
        sees &= (key <= query) & (key > query - (op.window or np.inf))
    if lengths is not None:
        sees &= key < np.reshape(lengths, (-1, 1, 1, 1))
    return np.where(sees, s, -np.inf), slope


def optional(op, rest):
    """Bias and lengths, as far as they are there."""
    counts, rest = op.operandSegmentSizes[-2:], list(rest)
    return [rest.pop(0) if count else None for count in counts]


def shared(op, x):
    """Key heads, each repeated for the query heads that share it."""
    return np.repeat(heads(x, int(op.kv_heads)), int(op.heads // op.kv_heads), axis=1)


def attention(op, q, k, v, *rest):
    s, _ = scores(op, q, k, *optional(op, rest))
    lse = np.log(np.exp(s).sum(-1))
    return joined(np.exp(s - lse[..., None]) @ shared(op, v)), lse


def attention_vjp(op, do, q, k, v, o, lse, *rest):
    bias, lengths = optional(op, rest)
    y, slope = scores(op, q, k, bias, lengths)
    p = np.exp(y - lse[..., None])
    do, o = heads(do, int(op.heads)), heads(o, int(op.heads))
    s = p * (do @ shared(op, v).swapaxes(2, 3) - (do * o).sum(-1, keepdims=True))

    def summed(x):
        b, _, t, d = x.shape
        return joined(x.reshape(b, int(op.kv_heads), -1, t, d).sum(2))

    ds = op.scale * slope * s
    dk = ds.swapaxes(2, 3) @ heads(q, int(op.heads))
    results = [joined(ds @ shared(op, k)), summed(dk), summed(p.swapaxes(2, 3) @ do)]
    if len(op.results) == 4:
        whole = tuple(i for i, size in enumerate(bias.shape) if size == 1)
        results.append(s.sum(whole, keepdims=True))
    return tuple(results)


def rotary(op, x, cos, sin):
    y, n = heads(x, int(op.heads)).copy(), int(op.rotary_dim)
    first, second = (slice(0, n, 2), slice(1, n, 2)) if op.interleaved else (slice(n // 2), slice(n // 2, n))
    a, b = y[..., first].copy(), y[..., second].copy()
    cos, sin = (t if t.ndim == 2 else t[:, None] for t in (cos, -sin if op.inverse else sin))
    y[..., first], y[..., second] = a * cos - b * sin, a * sin + b * cos
    return joined(y)


def embedding_vjp(op, dy, ids):
    dtable = np.zeros(op.shapes[0])
    np.add.at(dtable, ids, dy)
    return dtable


def gather_elements(op, x, indices):
    return np.take_along_axis(x, indices, -1)


def gather_elements_vjp(op, dy, indices):
    dx = np.zeros(op.shapes[0])
    for (*row, j), index in np.ndenumerate(indices):
        dx[(*row, index)] += dy[(*row, j)]
    return dx


def counted(op, labels):
    ignored = -100 if op.ignore_index is None else op.ignore_index
    return (labels != ignored) & (labels >= 0)


def cross_entropy(op, logits, labels):
    lse, counts = np.log(np.exp(logits).sum(-1)), counted(op, labels)
    inv_count = 1 / counts.sum() if counts.any() else 0.0
    picked = np.take_along_axis(logits, np.maximum(labels, 0)[..., None], -1)[..., 0]
    return np.sum((lse - picked) * counts) * inv_count, lse, np.float64(inv_count)


def cross_entropy_vjp(op, dloss, logits, labels, lse, inv_count):
    onehot = np.eye(logits.shape[-1])[np.maximum(labels, 0)]
    softmax = np.exp(logits - lse[..., None])
    return dloss * inv_count * (softmax - onehot) * counted(op, labels)[..., None]


def clip_coefficient(op, max_norm, *sums):
    norm = math.sqrt(sum(sums))
    if not math.isfinite(norm):
        return np.float64(-1), np.float64(norm)
    return np.float64(min(1, max_norm / norm) if max_norm else 1), np.float64(norm)


def adamw(op, p, g, m, v, coefficient, lr, beta1, beta2, eps, weight_decay, step):
    if coefficient < 0:
        return p, m, v
    g = coefficient * g
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    direction = m / (1 - beta1**step) / (np.sqrt(v / (1 - beta2**step)) + eps)
    return p - lr * (direction + (weight_decay * p if op.decay else 0)), m, v


def reduction(function):
    return lambda op, x: function(x, axis=op.axes, keepdims=bool(op.keepdims))


COMPARE = {
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
}

EVALUATE = {
    "arith.constant": lambda op: op.value,
    "add": lambda op, a, b: a + b,
    "sub": lambda op, a, b: a - b,
    "mul": lambda op, a, b: a * b,
    "div": lambda op, a, b: a / b,
    "minimum": lambda op, a, b: np.minimum(a, b),
    "maximum": lambda op, a, b: np.maximum(a, b),
    "pow": lambda op, a, b: np.power(a, b),
    "compare": lambda op, a, b: COMPARE[op.predicate](a, b),
    "convert": lambda op, x: np.asarray(x, np.float64),
    "cast": lambda op, x: x,
    "neg": lambda op, x: -x,
    "abs": lambda op, x: np.abs(x),
    "exp": lambda op, x: np.exp(x),
    "log": lambda op, x: np.log(x),
    "sqrt": lambda op, x: np.sqrt(x),
    "rsqrt": lambda op, x: 1 / np.sqrt(x),
    "reciprocal": lambda op, x: 1 / x,
    "tanh": lambda op, x: np.tanh(x),
    "sigmoid": lambda op, x: 1 / (1 + np.exp(-x)),
    "erf": lambda op, x: erf(x),
    "sin": lambda op, x: np.sin(x),
    "cos": lambda op, x: np.cos(x),
    "floor": lambda op, x: np.floor(x),
    "ceil": lambda op, x: np.ceil(x),
    "round": lambda op, x: np.round(x),
    "sign": lambda op, x: np.sign(x),
    "relu": lambda op, x: np.maximum(x, 0),
    "step": lambda op, x: np.where(x > 0, 1.0, 0.0),
    "select": lambda op, c, a, b: np.where(c > 0, a, b),
    "gelu": gelu,
    "gelu_vjp": gelu_vjp,
    "reduce_sum": reduction(np.sum),
    "reduce_max": reduction(np.max),
    "layer_norm": layer_norm,
    "layer_norm_vjp": layer_norm_vjp,
    "layer_norm_params_vjp": lambda op, dy, x, mean, rstd: (columns(dy * (x - mean) * rstd), columns(dy)),
    "rms_norm": rms_norm,
    "rms_norm_vjp": rms_norm_vjp,
    "rms_norm_params_vjp": lambda op, dy, x, rstd: columns(dy * x * rstd),
    "softmax": softmax,
    "log_softmax": log_softmax,
    "softmax_vjp": lambda op, dy, y: y * (dy - (dy * y).sum(-1, keepdims=True)),
    "matmul": matmul,
    "reshape": lambda op, x: np.reshape(x, op.shapes[0]),
    "transpose": lambda op, x: np.transpose(x, op.permutation),
    "broadcast_to": lambda op, x: np.broadcast_to(x, op.shapes[0]),
    "slice": lambda op, x: x[box(op, op.shapes[0])],
    "place": place,
    "split": split,
    "concat": lambda op, *parts: np.concatenate(parts, axis=int(op.axis)),
    "attention": attention,
    "attention_vjp": attention_vjp,
    "rotary": rotary,
    "embedding": lambda op, table, ids: table[ids],
    "embedding_vjp": embedding_vjp,
    "gather_elements": gather_elements,
    "gather_elements_vjp": gather_elements_vjp,
    "cross_entropy": cross_entropy,
    "cross_entropy_vjp": cross_entropy_vjp,
    "sum_squares": lambda op, x: np.sum(x**2),
    "clip_coefficient": clip_coefficient,
    "adamw": adamw,
}
