#!/usr/bin/env python3
"""Writes a small decoder as an ONNX file, with the onnx package alone.

usage: make_model.py OUT.onnx

It stands for a file that some exporter has written: old operators (opset 17), every
norm and every attention taken apart, and nothing that tells parameters from constants.
Two layers of 128 features with 4 heads, sequences of 64 tokens; tokens are bytes. The
number of sequences is left open.
"""

import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

if len(sys.argv) != 2:
    sys.exit(__doc__)

VOCAB, SEQ, WIDTH, HEADS, LAYERS = 256, 64, 128, 4, 2
HEAD = WIDTH // HEADS

random = np.random.default_rng(1)
nodes, initializers = [], []


def op(kind, name, *inputs, **attributes):
    """Adds a node; returns the name of its output, which is its own."""
    nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **attributes))
    return name


def tensor(name, value):
    """Adds a tensor to the file; returns its name."""
    initializers.append(numpy_helper.from_array(np.asarray(value), name))
    return name


def weight(name, *shape, std=0.06):
    """A matrix, as training begins with it."""
    return tensor(name, random.normal(0, std, shape).astype(np.float32))


# What is no parameter: numbers, shapes, and the mask of what comes later.
two = tensor("two", np.float32(2))
epsilon = tensor("epsilon", np.float32(1e-5))
scale = tensor("scale", np.float32(HEAD**-0.5))
root_two = tensor("root_two", np.float32(2**0.5))
one = tensor("one", np.float32(1))
half = tensor("half", np.float32(0.5))
split = tensor("split", np.int64([0, 0, HEADS, HEAD]))  # 0: as it was
join = tensor("join", np.int64([0, 0, WIDTH]))
mask = tensor("mask", np.triu(np.full((SEQ, SEQ), -np.inf, np.float32), 1))


def rms_norm(name, x):
    """x / sqrt(mean(x²) + epsilon) · gain"""
    square = op("Pow", f"{name}/square", x, two)
    mean = op("ReduceMean", f"{name}/mean", square, axes=[-1], keepdims=1)
    root = op("Sqrt", f"{name}/root", op("Add", f"{name}/add", mean, epsilon))
    gain = tensor(f"{name}.weight".replace("/", "."), np.ones(WIDTH, np.float32))
    return op("Mul", name, op("Div", f"{name}/div", x, root), gain)


def linear(name, x, inputs, outputs, std=0.06):
    return op("MatMul", name, x, weight(f"{name}.weight".replace("/", "."), inputs, outputs, std=std))


def attention(name, x):
    """softmax(q kᵀ / sqrt(HEAD) + mask) v, head by head"""

    def heads(part, order):
        """[batch, tokens, WIDTH], by head: [batch, HEADS, tokens, HEAD], or as `order` says."""
        value = linear(f"{name}/{part}", x, WIDTH, WIDTH)
        return op("Transpose", f"{name}/{part}_heads", op("Reshape", f"{name}/{part}_split", value, split), perm=order)

    q, k, v = heads("q", [0, 2, 1, 3]), heads("k", [0, 2, 3, 1]), heads("v", [0, 2, 1, 3])
    scores = op("Mul", f"{name}/scaled", op("MatMul", f"{name}/scores", q, k), scale)
    shares = op("Softmax", f"{name}/shares", op("Add", f"{name}/masked", scores, mask), axis=-1)
    mixed = op("Transpose", f"{name}/rows", op("MatMul", f"{name}/mixed", shares, v), perm=[0, 2, 1, 3])
    return linear(f"{name}/out", op("Reshape", f"{name}/join", mixed, join), WIDTH, WIDTH, std=0.03)


def mlp(name, x):
    """Four times as wide inside, with a GELU: x/2 · (1 + erf(x / sqrt(2)))"""
    x = linear(f"{name}/up", x, WIDTH, 4 * WIDTH)
    erf = op("Erf", f"{name}/erf", op("Div", f"{name}/div", x, root_two))
    x = op("Mul", f"{name}/half", op("Mul", f"{name}/gelu", x, op("Add", f"{name}/add", erf, one)), half)
    return linear(f"{name}/down", x, 4 * WIDTH, WIDTH, std=0.03)


x = op("Gather", "tokens_embedded", weight("wte.weight", VOCAB, WIDTH), "tokens")
x = op("Add", "embedded", x, weight("wpe.weight", SEQ, WIDTH, std=0.006))
for layer in (f"h.{i}" for i in range(LAYERS)):
    x = op("Add", f"{layer}/add_1", x, attention(f"{layer}/attn", rms_norm(f"{layer}/norm_1", x)))
    x = op("Add", f"{layer}/add_2", x, mlp(f"{layer}/mlp", rms_norm(f"{layer}/norm_2", x)))
logits = linear("lm_head", rms_norm("norm", x), WIDTH, VOCAB)

graph = helper.make_graph(
    nodes,
    "decoder",
    [helper.make_tensor_value_info("tokens", TensorProto.INT64, ["batch", SEQ])],
    [helper.make_tensor_value_info(logits, TensorProto.FLOAT, ["batch", SEQ, VOCAB])],
    initializers,
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
onnx.checker.check_model(model, full_check=True)
onnx.save(model, sys.argv[1])
floats = sum(int(np.prod(i.dims)) for i in initializers if i.data_type == TensorProto.FLOAT)
print(f"{sys.argv[1]}: {len(nodes)} nodes, opset 17, {floats:,} floats")
