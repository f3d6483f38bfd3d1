"""The number formats of the kernels, and of the runtime where it fills variables,
against ml_dtypes and numpy, bit for bit. Halves are ties between neighbours.

The tool is built from test/unit/kernels/format-driver.cpp.
"""

import subprocess

import ml_dtypes
import numpy as np
import pytest

from support import BIN

DRIVER = BIN / "format-driver"
ENCODERS = ["encode", "initialize"]

DTYPES = {
    "bf16": np.dtype(ml_dtypes.bfloat16),
    "f16": np.dtype(np.float16),
    "e4m3": np.dtype(ml_dtypes.float8_e4m3fn),
    "e5m2": np.dtype(ml_dtypes.float8_e5m2),
}
SATURATES = {"e4m3", "e5m2"}


def driver(direction, name, data, out_dtype):
    run = subprocess.run([DRIVER, direction, name], input=data.tobytes(),
                         stdout=subprocess.PIPE, check=True)
    return np.frombuffer(run.stdout, out_dtype)


def code_dtype(name):
    return np.dtype(f"u{DTYPES[name].itemsize}")


def all_values(name):
    codes = np.arange(256 ** DTYPES[name].itemsize, dtype=code_dtype(name))
    return codes, codes.view(DTYPES[name]).astype(np.float32)


def reference(name, x):
    """Codes of x. ml_dtypes does not saturate (E4M3FN overflows to NaN, E5M2 to
    infinity), our FP8 conversions do: clamp first; NaN passes through clip."""
    if name in SATURATES:
        limit = np.float32(ml_dtypes.finfo(DTYPES[name]).max)
        x = np.clip(x, -limit, limit)
    with np.errstate(over="ignore", invalid="ignore"):
        return x.astype(DTYPES[name]).view(code_dtype(name))


def check_encode(encoder, name, x):
    x = np.ascontiguousarray(x, np.float32)
    got = driver(encoder, name, x, code_dtype(name))
    want = reference(name, x)
    # A NaN stays one, with its sign; which one is not fixed.
    nan = np.isnan(x)
    got_values = got.view(DTYPES[name]).astype(np.float32)
    assert np.isnan(got_values[nan]).all()
    assert (np.signbit(got_values[nan]) == np.signbit(x[nan])).all()
    wrong = np.flatnonzero((got != want) & ~nan)
    assert wrong.size == 0, [(x[i].hex(), got[i], want[i]) for i in wrong[:5]]


@pytest.mark.parametrize("name", DTYPES)
def test_decode_every_code(name):
    codes, want = all_values(name)
    got = driver("decode", name, codes, np.float32)
    nan = np.isnan(want)
    assert (np.isnan(got) == nan).all()
    assert (got.view(np.uint32)[~nan] == want.view(np.uint32)[~nan]).all()


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("name", DTYPES)
def test_encode_every_value_and_tie(encoder, name):
    _, values = all_values(name)
    finite = np.unique(values[np.isfinite(values)]).astype(np.float64)
    ties = ((finite[1:] + finite[:-1]) / 2).astype(np.float32)
    up, down = np.float32(np.inf), np.float32(-np.inf)
    edges = np.concatenate([finite.astype(np.float32), ties])
    check_encode(encoder, name, np.concatenate([
        edges, np.nextafter(edges, up), np.nextafter(edges, down), values]))


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("name", DTYPES)
def test_encode_special_values(encoder, name):
    largest = np.float32(ml_dtypes.finfo(DTYPES[name]).max)
    x = np.array([0.0, np.inf, np.nan, 1e-45, 1.1754942e-38, 3.4028235e38,
                  largest, np.nextafter(largest, np.float32(np.inf)),
                  largest * np.float32(1 + 2**-5)], np.float32)
    check_encode(encoder, name, np.concatenate([x, -x]))
    # Every NaN, not only the default one.
    nans = np.array([0x7f800001, 0x7fbfffff, 0x7fffffff], np.uint32)
    check_encode(encoder, name, np.concatenate([nans, nans | 0x80000000]).view(np.float32))


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("name", DTYPES)
def test_encode_ten_million_floats(encoder, name):
    random = np.random.default_rng(20260730)
    any_bits = random.integers(0, 2**32, 5_000_000, dtype=np.uint32)
    info = ml_dtypes.finfo(DTYPES[name])
    low = np.log2(float(info.smallest_subnormal)) - 2
    high = np.log2(float(info.max)) + 1
    in_range = np.exp2(random.uniform(low, high, 5_000_000))
    in_range *= random.choice([-1.0, 1.0], in_range.size)
    check_encode(encoder, name, np.concatenate([any_bits.view(np.float32),
                                       in_range.astype(np.float32)]))
