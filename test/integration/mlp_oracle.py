"""The training of examples/linalg-mlp in numpy, which shares no code with it."""

import re

import ml_dtypes
import numpy as np

F32 = np.float32
E4M3, E5M2 = ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2
SEEDS = (1, 2, 3)
LEARNING_RATE = F32(12.8)
FORMATS = {"x": E4M3, "w1": E4M3, "h": E4M3, "w2": E4M3, "dy": E5M2, "dz": E5M2}


def uniform(rows, columns, bound, seed, stream):
    """@uniform of main.mlir, to the bit."""
    u32 = np.uint32
    i = np.arange(rows, dtype=u32)[:, None]
    j = np.arange(columns, dtype=u32)[None, :]
    k = u32(((seed * 256 + stream) * 65536) & 0xFFFFFFFF) + i * u32(256) + j
    k ^= k >> u32(16)
    k *= u32(0x7FEB352D)
    k ^= k >> u32(15)
    k *= u32(0x846CA68B)
    k ^= k >> u32(16)
    return k.view(np.int32).astype(F32) * F32(2.0**-31) * F32(bound)


def product(a, b):
    """In f32, summed in order."""
    total = np.zeros((a.shape[0], b.shape[1]), F32)
    for k in range(a.shape[1]):
        total += a[:, k, None] * b[None, k, :]
    return total


def data(seed):
    """@data of main.mlir: x, t, w1, w2."""
    x = uniform(32, 32, 1.0, seed, 0)
    a1, a2 = uniform(32, 64, 0.05412659, seed, 1), uniform(64, 16, 0.027063294, seed, 2)
    w1, w2 = uniform(32, 64, 0.05412659, seed, 3), uniform(64, 16, 0.027063294, seed, 4)
    return x, product(np.maximum(product(x, a1), 0), a2), w1, w2


class Delayed:
    """What codes stand for, whose scale comes from the last 16 amaxes, floored to a power
    of two: codes and values tell each other."""

    def __init__(self, format):
        self.format, self.max = format, F32(ml_dtypes.finfo(format).max)
        self.scale, self.window = F32(1), []

    def __call__(self, value):
        codes = np.clip(value * self.scale, -self.max, self.max).astype(self.format)
        scale = self.scale
        self.window = [np.abs(value).max(), *self.window][:16]
        exponent = np.frexp(self.max / max(self.window))[1] - 1
        self.scale = F32(2.0**exponent)
        return codes.astype(F32) / scale


def train(seed, is_fp8, steps=100):
    """The loss before each step; and in each step by name what products read and give,
    what they would give without quantisation, and of how large terms that is a sum."""
    x, t, w1, w2 = data(seed)
    quantise = {name: Delayed(format) if is_fp8 else lambda value: value for name, format in FORMATS.items()}
    n = F32(t.size)
    losses, seen = [], []
    x_ = quantise["x"](x)  # outside of the loop
    for _ in range(steps):
        read, given, exact = {"x": x_}, {}, {}

        def multiply(name, a, b, a_, b_):
            given[name] = product(a_, b_)
            exact[name] = product(a, b), product(np.abs(a), np.abs(b))
            return given[name]

        read["w1"], read["w2"] = w1_, w2_ = quantise["w1"](w1), quantise["w2"](w2)
        z = multiply("z", x, w1, x_, w1_)
        h = np.maximum(z, 0)
        read["h"] = h_ = quantise["h"](h)
        error = multiply("y", h, w2, h_, w2_) - t
        losses.append((error * error).sum(dtype=F32) / n)
        dy = error * F32(2 / 512)
        read["dy"] = dy_ = quantise["dy"](dy)
        dw2 = multiply("dw2", h.T, dy, h_.T, dy_)
        dz = np.where(z > 0, multiply("dh", dy, w2.T, dy_, w2_.T), F32(0))
        read["dz"] = dz_ = quantise["dz"](dz)
        dw1 = multiply("dw1", x.T, dz, x_.T, dz_)
        w1, w2 = w1 - LEARNING_RATE * dw1, w2 - LEARNING_RATE * dw2
        seen.append((read, given, exact))
    return np.array(losses), seen


def printed(text):
    """What printMemrefF32 printed: tensors, flat."""
    rows = re.findall(r"data =\s*\n(.*?)(?=Unranked|\Z)", text, re.DOTALL)
    return [np.array(re.findall(r"[-\w.+]+", row), F32) for row in rows]
