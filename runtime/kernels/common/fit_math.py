#!/usr/bin/env python3
"""Fits the polynomials of math.h and prints them as C++ literals.

Weighted minimax by Lawson's algorithm (least squares, reweighted by the error
until it levels out) on Chebyshev nodes. Coefficients are then rounded to float
one by one, lowest degree first, and the rest is fitted again, so that rounding
one is made good by those that follow. Needs numpy and mpmath.
"""

import mpmath as mp
import numpy as np


def lawson(x, y, weight, powers, rounds=200):
    """Coefficients of sum(c[i] * x**powers[i]) minimising max(weight * error)."""
    scale = np.max(np.abs(x))
    basis = np.stack([(x / scale) ** p for p in powers], axis=1)
    mass = np.ones_like(x) / len(x)
    best, best_error = None, np.inf
    for _ in range(rounds):
        root = np.sqrt(mass) * weight
        c, *_ = np.linalg.lstsq(basis * root[:, None], y * root, rcond=None)
        error = np.abs(basis @ c - y) * weight
        if error.max() < best_error:
            best, best_error = c, error.max()
        mass *= error + 1e-300
        mass /= mass.sum()
    return best / scale ** np.array(powers, dtype=float), best_error


def fit(name, function, weight, low, high, degree, nodes=2000, first=None):
    """`first`: a constant coefficient that is given, in as many parts as it needs."""
    t = np.cos(np.pi * (np.arange(nodes) + 0.5) / nodes)
    x = (low + high) / 2 + (high - low) / 2 * t
    x = x[np.abs(x) > 1e-9 * (high - low)]
    y = np.array([float(function(mp.mpf(float(v)))) for v in x])
    w = np.array([float(weight(mp.mpf(float(v)))) for v in x])
    fixed = [] if first is None else [first]
    for d in range(len(fixed), degree + 1):
        rest = y - sum((c * x**i for i, c in enumerate(fixed)), np.zeros_like(x))
        c, error = lawson(x, rest, w, list(range(d, degree + 1)))
        fixed.append(float(np.float32(c[0])))
    residual = np.abs(sum(c * x**i for i, c in enumerate(fixed)) - y) * w
    print(f"{name}: degree {degree}, weighted error {residual.max():.3g}")
    print("  " + ", ".join(f"{float(c).hex()}f" for c in reversed(fixed)))


if __name__ == "__main__":
    mp.mp.dps = 40
    half_ln2 = float(mp.log(2) / 2) * 1.01
    for degree in (4, 5):
        # expm1(r) = r + r^2 q(r); the error counts relative to expm1(r)
        fit("expm1", lambda r: (mp.expm1(r) - r) / r**2,
            lambda r: abs(r**2 / mp.expm1(r)), -half_ln2, half_ln2, degree)
    for degree in (6, 7):
        # log(1+f) = f - f^2/2 + f^3 p(f)
        fit("log1p", lambda f: (mp.log1p(f) - f + f**2 / 2) / f**3,
            lambda f: abs(f**3 / mp.log1p(f)),
            float(mp.sqrt(0.5)) - 1, float(mp.sqrt(2)) - 1, degree)
    for degree in (7, 8):
        # erf(a) = -expm1(a q(a)); an error dq moves erf by a * erfc(a) * dq
        fit("erf", lambda a: mp.log(mp.erfc(a)) / a,
            lambda a: a * mp.erfc(a) / mp.erf(a), 0.0, 4.0, degree,
            first=float(-2 / mp.sqrt(mp.pi)))
