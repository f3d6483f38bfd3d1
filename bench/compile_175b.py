#!/usr/bin/env python3
"""Compile time of a model of GPT-3's size: 96 layers, 175 billion parameters.

The model file holds no weights: it is the compiler that is measured, from the
ONNX file to planned memory and kernels. Half the layers have to take half the
time, and more layers must not make more kernels.

usage: compile_175b.py [--recipe NAME]     (FP8C_BIN names the tools' folder)
"""

import argparse
import pathlib
import sys
import tempfile

from common import timed, tool

MOST_SECONDS, MOST_GIB, MOST_RATIO = 10, 4, 2.2


def count_kernels(path):
    with open(path) as file:
        return sum(line.lstrip().startswith("exec.kernel ") for line in file)


def measure(folder, layers, recipe, repeats):
    """The best of a few times: what is slower is not the compiler's doing."""
    model, ir = folder / f"{layers}.onnx", folder / f"{layers}.mlir"
    tool("fp8c", "model", "gpt3", "--size", "175b", "--layers", layers, "--no-weights", "-o", model)
    runs = []
    for _ in range(repeats):
        with open(ir, "w") as output:
            runs.append(timed("fp8c", "compile", model, "--recipe", recipe, "--batch", 1, "--emit=exec", stdout=output))
    best = min(runs, key=lambda run: run.seconds)
    gib = max(run.peak_bytes for run in runs) / 2**30
    kernels = count_kernels(ir)
    print(f"{layers:>6} {best.seconds:>10.2f} {best.cpu_seconds:>10.2f} {gib:>8.2f} {kernels:>8}", flush=True)
    return best.seconds, gib, kernels


def main():
    parser = argparse.ArgumentParser(description="Compile time of a model of GPT-3's size")
    parser.add_argument("--recipe", default="fp8-delayed")
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    print(f"{'layers':>6} {'seconds':>10} {'CPU s':>10} {'GiB':>8} {'kernels':>8}")
    with tempfile.TemporaryDirectory() as name:
        results = {n: measure(pathlib.Path(name), n, args.recipe, args.repeats) for n in (96, 48, 12)}
    (seconds, gib, _), (half, _, _) = results[96], results[48]
    kernels = {kernels for _, _, kernels in results.values()}
    ratio = seconds / half
    print(f"96 layers take {ratio:.2f} times as long as 48")
    failures = [
        f"{seconds:.1f} s, more than {MOST_SECONDS}" if seconds >= MOST_SECONDS else None,
        f"{gib:.1f} GiB, more than {MOST_GIB}" if gib >= MOST_GIB else None,
        f"96 layers take {ratio:.2f} times as long as 48, more than {MOST_RATIO}" if ratio > MOST_RATIO else None,
        f"the number of kernels depends on the layers: {sorted(kernels)}" if len(kernels) > 1 else None,
    ]
    if any(failures):
        sys.exit("FAILED: " + "; ".join(filter(None, failures)))


if __name__ == "__main__":
    main()
