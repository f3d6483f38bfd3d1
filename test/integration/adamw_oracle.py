"""AdamW on scaled states, in numpy: the oracle of test_optimizer_states.py.

`Number` is np.float32 to follow the program's operations one by one, or
np.float64 to say what they should give. Scales are powers of two and known
before the update: see docs/decisions.md.
"""

import dataclasses

import ml_dtypes
import numpy as np

MAX = {"F16": 65504.0, "F8_E4M3": 448.0, "F8_E5M2": 57344.0}
TYPES = {"F16": np.dtype("<f2"), "F8_E4M3": np.dtype(ml_dtypes.float8_e4m3fn), "F8_E5M2": np.dtype(ml_dtypes.float8_e5m2)}
MANTISSA_AND_BIAS = {"F16": (10, 15), "F8_E4M3": (3, 7), "F8_E5M2": (2, 15)}
INVERSE = 4  # word of a scale pair


def name_of(dtype):
    return next(name for name, other in TYPES.items() if other == dtype)


def floor_to_power_of_two(x):
    return np.float32(2.0 ** np.floor(np.log2(np.float64(x))))


def power(base, n):
    result = 1.0
    while n > 0:
        result, base, n = result * base if n & 1 else result, base * base, n >> 1
    return result


def quotient_bound(beta1, beta2, step):
    """The most that Adam's m^/sqrt(v^) can be, with a quarter to spare."""
    beta1, beta2 = float(np.float32(beta1)), float(np.float32(beta2))
    r = beta1 * beta1 / beta2
    terms = (1.0 - power(r, step)) / (1.0 - r)
    first = (1.0 - beta1) / (1.0 - power(beta1, step))
    second = (1.0 - power(beta2, step)) / (1.0 - beta2)
    return np.float32(1.25 * first * np.sqrt(second * terms))


def random_bits(key, index, stream):
    u = np.uint32
    with np.errstate(over="ignore"):
        h = index.astype(u) ^ (u(key) * u(0x9E3779B9) + u(stream) * u(0x85EBCA6B))
        h ^= h >> u(16)
        h *= u(0x7FEB352D)
        h ^= h >> u(15)
        h *= u(0x846CA68B)
        return h ^ (h >> u(16))


def rounding_bits(key, index, stream):
    """Two neighbours share a hash."""
    both = random_bits(key, index >> 1, stream)
    return both << (16 * (index & 1)).astype(np.uint32)


def quantize(x, scale, dtype, bits=None):
    """Codes of x * scale, saturated; rounded to nearest even, or by random bits."""
    limit = MAX[name_of(dtype)]
    y = np.clip(x * x.dtype.type(scale), -limit, limit)
    if bits is None:
        return y.astype(dtype)
    mantissa, bias = MANTISSA_AND_BIAS[name_of(dtype)]
    # Beside the smallest normal number, what the format cannot normalise has the same unit.
    normal = y.dtype.type(2.0 ** (1 - bias))
    offset = np.where(np.abs(y) < normal, normal, y.dtype.type(0))
    z = np.abs(y) + offset
    unit = np.ldexp(np.ones_like(y), np.frexp(z)[1] - 1 - mantissa)
    dropped = 23 - mantissa
    up = np.floor(z / unit + (bits >> np.uint32(32 - dropped)).astype(y.dtype) / 2**dropped)
    return np.copysign(up * unit - offset, y).astype(dtype)


def dequantize(codes, pair, number):
    return codes.astype(np.float32).astype(number) * number(pair[INVERSE])


@dataclasses.dataclass
class Hyper:
    lr: float = 1e-3
    beta1: float = 0.9
    beta2: float = 0.95
    eps: float = 1e-8
    weight_decay: float = 0.1
    step: int = 7
    seed: int = 1337


def next_scale(role, dtype, amax, gradient, hyper, decays, root):
    """The scale of what is stored next, from a bound; all in f32."""
    f = np.float32
    lr, beta1, beta2 = f(hyper.lr), f(hyper.beta1), f(hyper.beta2)
    if role == "parameter":
        kept = f(1) - (lr * f(hyper.weight_decay) if decays else f(0))
        bound = abs(kept) * amax + lr * quotient_bound(hyper.beta1, hyper.beta2, hyper.step)
    elif role == "moment1":
        bound = beta1 * amax + (f(1) - beta1) * gradient
    else:
        bound = beta2 * (amax * amax if root else amax) + (f(1) - beta2) * (gradient * gradient)
        bound = np.sqrt(bound) if root else bound
    return floor_to_power_of_two(f(MAX[name_of(dtype)]) / bound)


def adamw(p, g, m, v, coefficient, corrections, hyper, decays, limited, number):
    """New p, m and v, before they are stored, and how many quotients were limited."""
    lr, beta1, beta2 = (number(np.float32(x)) for x in (hyper.lr, hyper.beta1, hyper.beta2))
    one, eps, decay = number(1), number(np.float32(hyper.eps)), number(np.float32(hyper.weight_decay))
    g = g * number(coefficient)
    m1 = beta1 * m + (one - beta1) * g
    v1 = beta2 * v + (one - beta2) * (g * g)
    correction1, correction2 = (one / number(c) for c in corrections)
    quotient = (m1 * correction1) / (np.sqrt(v1 * correction2) + eps)
    bound = number(quotient_bound(hyper.beta1, hyper.beta2, hyper.step) if limited else np.inf)
    clamps = int(np.sum(np.abs(quotient) > bound))
    update = np.clip(quotient, -bound, bound)
    if decays:
        update = update + decay * p
    return p - lr * update, m1, v1, clamps
