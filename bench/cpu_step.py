#!/usr/bin/env python3
"""A training step on the CPU against the matrix products in it alone.

Trains a GPT in f32, takes the list of its products from the program's IR, runs
the same list through OpenBLAS and nothing else, and tells where the rest of the
time goes. Both times are the best of several: what is slower is not the code's
doing. OMP_NUM_THREADS sets the number of threads of both.

usage: cpu_step.py [--d-model N] [--layers N] ...
"""

import argparse
import collections
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import tempfile

from common import BIN, ROOT, metrics, tool

INCLUDE = ROOT / "runtime"
FLAGS = ["-std=c++20", "-O3", "-march=native", "-fopenmp", "-ffp-contract=off", "-fno-math-errno",
         "-fno-trapping-math", "-DNDEBUG"]  # fmt: skip
PROFILER = r"""
#include <chrono>
#include <cstdio>
#include <cstdlib>
namespace {
struct Profile {
  double seconds[COUNT] = {};
  ~Profile() {
    std::FILE *file = std::fopen(std::getenv("FP8C_PROFILE"), "w");
    for (double s : seconds)
      std::fprintf(file, "%.9f\n", s);
    std::fclose(file);
  }
} profile;
struct Timed {
  explicit Timed(int index) : index(index) {}
  ~Timed() {
    std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
    profile.seconds[index] += time.count();
  }
  int index;
  std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();
};
} // namespace
"""

# ------------------------------------------------------------------------------
# The products
# ------------------------------------------------------------------------------


def number(line, name, default=0):
    match = re.search(rf"\b{name} = (\d+)", line)
    return int(match[1]) if match else default


def flag(line, name):
    return int(re.search(rf"\b{name}\b(?! =)", line) is not None)


def products(ir):
    """The products of @micro and @update, as blas_alone.cpp reads them."""
    lines, inside = [], False
    for line in ir.splitlines():
        if "func.func @" in line:
            inside = "@micro(" in line or "@update(" in line
        elif inside and "exec.gemm " in line:
            sizes = [number(line, name) for name in "mnk"]
            flags = [flag(line, name) for name in ("transpose_a", "transpose_b", "accumulate")]
            lines.append(("gemm", *sizes, *flags, number(line, "batch", 1)))
        elif inside and (match := re.search(r'exec.attention(_backward)? ', line)):
            backward = match[1] is not None
            batch, seq, width = map(int, re.findall(r"memref<(\d+)x(\d+)x(\d+)x", line)[int(backward)])
            heads, kv_heads = number(line, "heads"), number(line, "kv_heads")
            lines.append(("attention", batch, heads, kv_heads, seq, width // heads, flag(line, "causal"), int(backward)))
    return lines


def operations(product):
    """Multiplications and additions of one product."""
    if product[0] == "gemm":
        _, m, n, k, *_, batch = product
        return 2 * batch * m * n * k
    _, batch, heads, _, seq, dim, causal, backward = product
    pairs = seq * (seq + 64) / 2 if causal else seq * seq
    return 2 * batch * heads * pairs * dim * (5 if backward else 2)


def time_products(folder, lines, rounds):
    binary = folder / "blas_alone"
    source = ROOT / "bench/blas_alone.cpp"
    subprocess.run(["c++", *FLAGS, f"-I{INCLUDE}", source, "-o", binary, "-lopenblas"], check=True)
    text = "".join(" ".join(map(str, line)) + "\n" for line in lines)
    done = subprocess.run([binary, str(rounds)], input=text, stdout=subprocess.PIPE, text=True, check=True)
    return [float(line) for line in done.stdout.split()]


# ------------------------------------------------------------------------------
# Where the rest goes
# ------------------------------------------------------------------------------

STATEMENT = re.compile(r"^  (?:(?P<callee>\w+)(?:<[^>]*>)?\()(?P<kernel>\w+Kernel|\w+(?=\{))?")


def instrument(source):
    """The source with a timer around every statement of its functions, and what
    each statement calls."""
    labels, result, pending = [], [], None
    for line in source.splitlines():
        match = STATEMENT.match(line) if pending is None else None
        if match:
            kernel = match["kernel"]
            labels.append(match["callee"] + (f" {kernel}" if kernel else ""))
            pending = []
        if pending is None:
            result.append(line)
            continue
        pending.append(line)
        if line.endswith(");"):
            result += [f"  {{ Timed timed({len(labels) - 1});", *pending, "  }"]
            pending = None
    return PROFILER.replace("COUNT", str(max(len(labels), 1))) + "\n".join(result) + "\n", labels


def profile(folder, program, arguments, steps):
    """Milliseconds per step by what is called, in a run of an instrumented copy."""
    copy = folder / "profiled.fp8x"
    shutil.copytree(program, copy)
    source, labels = instrument((program / "step.cpp").read_text())
    (copy / "step.cpp").write_text(source)
    build = ["c++", *FLAGS, "-shared", "-fPIC", f"-I{INCLUDE}", copy / "step.cpp", "-o", copy / "program.so"]
    subprocess.run([*build, "-lopenblas"], check=True)
    times = folder / "profile.txt"
    environment = {**os.environ, "FP8C_PROFILE": str(times)}
    tool("fp8c-run", "train", copy, *arguments, "--out", folder / "profiled", env=environment)
    spent = collections.Counter()
    for label, seconds in zip(labels, map(float, times.read_text().split()), strict=True):
        spent[label] += 1000 * seconds / steps
    return spent


# ------------------------------------------------------------------------------


def measure(folder, args):
    sizes = [x for n in ("layers", "d_model", "heads", "vocab", "seq") for x in (f"--{n.replace('_', '-')}", getattr(args, n))]
    model, program = folder / "model.onnx", folder / "model.fp8x"
    tool("fp8c", "model", args.family, *sizes, "--no-weights", "-o", model)
    compiling = ["compile", model, "--recipe", args.recipe, "--batch", args.batch]
    tool("fp8c", *compiling, "-o", program)
    lines = products(tool("fp8c", *compiling, "--emit=exec"))
    data = folder / "tokens.bin"
    choose = random.Random(1)
    data.write_bytes(b"".join(choose.randrange(args.vocab).to_bytes(2, "little") for _ in range(100_000)))
    training = ["--data", data, "--steps", args.steps, "--checkpoint-every", 0, "--log-every", args.steps]
    tool("fp8c-run", "train", program, *training, "--out", folder / "run")
    steps = [record["ms"] for record in metrics(folder / "run")][2:]
    blas = time_products(folder, lines, args.steps)[2:]

    parameters = json.loads((program / "manifest.json").read_text())["model"]["parameters"]
    gflop = sum(map(operations, lines)) / 1e9
    step, alone = min(steps), min(blas)
    print(f"{args.family}, {parameters:,} parameters, recipe {args.recipe}, {args.batch} x {args.seq} tokens, "
          f"{len(lines)} products, {gflop:.1f} GFLOP")  # fmt: skip
    print(f"step            {step:9.1f} ms  (median {sorted(steps)[len(steps) // 2]:.1f})")
    print(f"products alone  {alone:9.1f} ms  (median {sorted(blas)[len(blas) // 2]:.1f}), {gflop / alone * 1000:.0f} GFLOP/s")
    print(f"ratio           {step / alone:9.2f}")
    if args.profile:
        # The first call of a step also pays for calibration and cold caches.
        spent = profile(folder, program, training, args.steps)
        print(f"\n{'per step':>12}  {'share':>6}  what")
        for label, ms in spent.most_common(args.profile):
            print(f"{ms:9.2f} ms  {ms / sum(spent.values()):6.1%}  {label}")


def main():
    parser = argparse.ArgumentParser(description="A training step against its matrix products alone")
    parser.add_argument("--family", default="gpt2")
    parser.add_argument("--recipe", default="f32")
    for name, default in {"layers": 4, "d-model": 512, "heads": 8, "vocab": 4096, "seq": 256, "batch": 4, "steps": 12}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--profile", type=int, default=15, metavar="N", help="print the N most expensive callees; 0: none")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        measure(pathlib.Path(name), args)


if __name__ == "__main__":
    main()
