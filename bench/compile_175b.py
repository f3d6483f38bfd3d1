#!/usr/bin/env python3
"""Compile time of a model of GPT-3's size: 96 layers, 175 billion parameters.

The model file holds no weights: it is the compiler that is measured, from the
ONNX file to planned memory and kernels. Half the layers have to take half the
time, and more layers must not make more kernels.

The seconds are those of the fastest of several runs: what is slower is not the
compiler's doing. The ratio is one of CPU seconds (user and system), which other
work on the machine disturbs less.

usage: compile_175b.py [--recipe NAME] [--repeats N] [--save FILE]
(FP8C_BIN names the tools' folder)
"""

import argparse
import pathlib
import sys
import tempfile

from common import save, timed, tool

MOST_SECONDS, MOST_GIB, MOST_RATIO = 10, 4, 2.2
LAYERS = (96, 48, 12)


def count_kernels(path):
    with open(path) as file:
        return sum(line.lstrip().startswith("exec.kernel ") for line in file)


def measure(folder, recipe, repeats):
    """One record for each number of layers."""
    runs, kernels = {layers: [] for layers in LAYERS}, {}
    for layers in LAYERS:
        tool("fp8c", "model", "gpt3", "--size", "175b", "--layers", layers, "--no-weights", "-o", folder / f"{layers}.onnx")
    for _ in range(repeats):  # in turns, so that all see the same machine
        for layers in LAYERS:
            with open(folder / f"{layers}.mlir", "w") as output:
                compiling = ["compile", folder / f"{layers}.onnx", "--recipe", recipe, "--batch", 1, "--emit=exec"]
                runs[layers].append(timed("fp8c", *compiling, stdout=output))
            kernels[layers] = count_kernels(folder / f"{layers}.mlir")
    return {
        layers: {
            "seconds": min(run.seconds for run in runs[layers]),
            "cpu_seconds": min(run.cpu_seconds for run in runs[layers]),
            "gib": max(run.peak_bytes for run in runs[layers]) / 2**30,
            "kernels": kernels[layers],
        }
        for layers in LAYERS
    }


def main():
    parser = argparse.ArgumentParser(description="Compile time of a model of GPT-3's size")
    parser.add_argument("--recipe", default="fp8-delayed")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--save", help="JSON file for the results")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        results = measure(pathlib.Path(name), args.recipe, args.repeats)
    print(f"{'layers':>6} {'seconds':>10} {'CPU s':>10} {'GiB':>8} {'kernels':>8}")
    for layers, r in results.items():
        print(f"{layers:>6} {r['seconds']:>10.2f} {r['cpu_seconds']:>10.2f} {r['gib']:>8.2f} {r['kernels']:>8}")
    full, ratio = results[96], results[96]["cpu_seconds"] / results[48]["cpu_seconds"]
    print(f"96 layers take {ratio:.2f} times the CPU time of 48")
    save(args.save, {"layers": results, "ratio": ratio})
    kernels = {r["kernels"] for r in results.values()}
    failures = [
        f"{full['seconds']:.1f} s, more than {MOST_SECONDS}" if full["seconds"] >= MOST_SECONDS else None,
        f"{full['gib']:.1f} GiB, more than {MOST_GIB}" if full["gib"] >= MOST_GIB else None,
        f"96 layers take {ratio:.2f} times the CPU time of 48, more than {MOST_RATIO}" if ratio > MOST_RATIO else None,
        f"the number of kernels depends on the layers: {sorted(kernels)}" if len(kernels) > 1 else None,
    ]
    if any(failures):
        sys.exit("FAILED: " + "; ".join(filter(None, failures)))


if __name__ == "__main__":
    main()
