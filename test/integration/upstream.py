"""Runs modules of the fp8 dialect by upstream's own tools, and kernels of the cpu target
beside them: what both give can be compared bit for bit.

A module goes through fp8-lower-to-upstream in Debian's mlir-opt, from there on without
the plug-in, and through mlir-runner. Inputs are constants; results are printed as integers.
"""

import ctypes
import json
import os
import pathlib
import re
import subprocess

import ml_dtypes
import numpy as np

from support import BIN, ROOT

LLVM = pathlib.Path(os.environ.get("LLVM_PREFIX", "/usr/lib/llvm-22"))
PLUGIN = BIN / "../lib/fp8c-plugin.so"
LOWER = "--pass-pipeline=builtin.module(fp8-lower-to-upstream)"
# docs/other-compilers.md says the same.
UPSTREAM = [
    "--one-shot-bufferize=bufferize-function-boundaries allow-return-allocs-from-loops function-boundary-type-conversion=identity-layout-map",
    "--convert-linalg-to-loops",
    "--expand-strided-metadata",
    "--lower-affine",
    "--convert-scf-to-cf",
    "--convert-arith-to-apfloat",
    "--convert-math-to-llvm",
    "--finalize-memref-to-llvm",
    "--convert-arith-to-llvm",
    "--convert-func-to-llvm",
    "--convert-cf-to-llvm",
    "--reconcile-unrealized-casts",
]
LIBRARIES = ["mlir_runner_utils", "mlir_c_runner_utils", "mlir_apfloat_wrappers"]

DTYPES = {
    "f32": np.dtype(np.float32),
    "f16": np.dtype(np.float16),
    "bf16": np.dtype(ml_dtypes.bfloat16),
    "f8E4M3FN": np.dtype(ml_dtypes.float8_e4m3fn),
    "f8E5M2": np.dtype(ml_dtypes.float8_e5m2),
}
NAMES = {dtype: name for name, dtype in DTYPES.items()}


def tensor_type(shape, element):
    return f"tensor<{''.join(f'{size}x' for size in shape)}{element}>"


class Module:
    """Functions of the fp8 dialect, and a @main that calls what they were lowered to, with plain
    values, and prints what that gives."""

    def __init__(self):
        self.functions, self.printers, self.main, self.results, self.count = [], {}, [], [], 0

    def value(self):
        self.count += 1
        return f"%v{self.count}"

    def line(self, text):
        """An op of @main; returns its result."""
        name = self.value()
        self.main.append(f"  {name} = {text}")
        return name

    def constant(self, array):
        """A tensor, bit for bit; a number if it is a plain float."""
        if isinstance(array, float):
            return self.line(f"arith.constant {np.float32(array).view(np.uint32):#010x} : f32")
        element = NAMES[array.dtype]
        if array.ndim == 0:
            bits = array.reshape(1).view(f"u{array.itemsize}")[0]
            return self.line(f"arith.constant dense<{bits:#0{2 + 2 * array.itemsize}x}> : tensor<{element}>")
        return self.line(f'arith.constant dense<"0x{array.tobytes().hex().upper()}"> : {tensor_type(array.shape, element)}')

    def function(self, text):
        self.functions.append(text)

    def call(self, name, arguments, types, results):
        """Calls a function; returns its results' names. `types` and `results` are lists of types."""
        call = self.line(f"call @{name}({', '.join(arguments)}) : ({', '.join(types)}) -> ({', '.join(results)})")
        if len(results) == 1:
            return [call]
        self.main[-1] = self.main[-1].replace(f"{call} =", f"{call}:{len(results)} =")
        return [f"{call}#{i}" for i in range(len(results))]

    def print(self, value, shape, element):
        """Prints a tensor, or a number where the shape is None, in run()'s list."""
        self.results.append((shape, element))
        if shape is None:
            value, shape = self.line(f"tensor.from_elements {value} : tensor<{element}>"), ()
        # Printing is of rank one or more.
        flat = (int(np.prod(shape)),)
        if shape != flat:
            groups = f"[[{', '.join(map(str, range(len(shape))))}]]" if shape else "[]"
            if shape:
                value = self.line(f"tensor.collapse_shape {value} {groups} : {tensor_type(shape, element)} into {tensor_type(flat, element)}")
            else:
                value = self.line(f"tensor.expand_shape {value} [] output_shape [1] : tensor<{element}> into tensor<1x{element}>")
        size = DTYPES[element].itemsize * 8
        name = f"print_{flat[0]}_{element}"
        if name not in self.printers:
            widen = "%w = arith.bitcast %a : f32 to i32" if size == 32 else f"%b = arith.bitcast %a : {element} to i{size}\n    %w = arith.extui %b : i{size} to i32"
            self.printers[name] = f"""
func.func @{name}(%x: tensor<{flat[0]}x{element}>) {{
  %e = tensor.empty() : tensor<{flat[0]}xi32>
  %i = linalg.generic {{indexing_maps = [affine_map<(d) -> (d)>, affine_map<(d) -> (d)>], iterator_types = ["parallel"]}} ins(%x : tensor<{flat[0]}x{element}>) outs(%e : tensor<{flat[0]}xi32>) {{
  ^bb0(%a: {element}, %o: i32):
    {widen}
    linalg.yield %w : i32
  }} -> tensor<{flat[0]}xi32>
  %u = tensor.cast %i : tensor<{flat[0]}xi32> to tensor<*xi32>
  call @printMemrefI32(%u) : (tensor<*xi32>) -> ()
  return
}}"""
        self.main.append(f"  call @{name}({value}) : ({tensor_type(flat, element)}) -> ()")

    def run(self):
        """What was printed, in order, as arrays of the types printed."""
        plugins = [f"--load-dialect-plugin={PLUGIN}", f"--load-pass-plugin={PLUGIN}"]
        lowered = tool("mlir-opt", *plugins, LOWER, text="\n".join(self.functions))
        assert "fp8." not in lowered
        main = ["func.func private @printMemrefI32(tensor<*xi32>)", *self.printers.values(), "func.func @main() {", *self.main, "  return", "}"]
        end = lowered.rindex("}")
        llvm = tool("mlir-opt", *UPSTREAM, text=lowered[:end] + "\n".join(main) + lowered[end:])
        libraries = ",".join(str(LLVM / f"lib/lib{name}.so") for name in LIBRARIES)
        printed = tool("mlir-runner", "-e", "main", "--entry-point-result=void", f"--shared-libs={libraries}", text=llvm)
        lists = [json.loads(data) for data in re.findall(r"data = \s*(\[[^\]]*\])", printed)]
        assert len(lists) == len(self.results)
        arrays = []
        for (shape, element), numbers in zip(self.results, lists):
            dtype = DTYPES[element]
            bits = np.array(numbers, np.int64).astype(f"u{dtype.itemsize}")
            arrays.append(bits.view(dtype).reshape(shape or ()))
        return arrays


def tool(name, *arguments, text):
    done = subprocess.run([LLVM / "bin" / name, *map(str, arguments)], input=text, capture_output=True, text=True)
    assert done.returncode == 0, f"{name}: {done.stderr[:3000]}"
    return done.stdout


# ------------------------------------------------------------------------------
# The cpu target's kernels
# ------------------------------------------------------------------------------

KERNELS = r"""
#include "kernels/common/scale_state.h"
#include "kernels/cpu/quantize_tiles.h"
using namespace fp8c;

/// As a kernel of the cpu target: statistics, a scale of them unless one is given, codes.
template <class T, class X>
static void quantise(const X *x, int64_t n, bool given, float margin, bool pow2, bool poison, T *codes, float *pair, uint32_t *amax) {
  Amax before;
  for (int64_t i = 0; i < n; ++i)
    count(before, load(x, i));
  const Stats stats{before.amax_bits, before.saturated, before.nonfinite};
  *amax = stats.amax_bits;
  if (!given)
    compute_scale<T>(&stats, pair, margin, pow2, poison);
  Amax during;
  for (int64_t i = 0; i < n; ++i)
    store(codes, i, quantize<T>(load(x, i), pair[0], during));
}

template <class T, class X>
static void tiles(const X *x, int64_t rows, int64_t cols, int64_t tile_rows, int64_t tile_cols, float margin, bool pow2, T *codes, float *inverses, float *scratch) {
  TileScaling s{{rows, cols, tile_rows, tile_cols}, margin, pow2};
  quantize_tiles(s, x, codes, scratch);
  for (int64_t i = 0; i < s.matrix.tiles_down(); ++i)
    for (int64_t j = 0; j < s.matrix.tiles_across(); ++j)
      *inverses++ = scratch[s.matrix.scale_of(i * tile_rows, j * tile_cols)];
}

#define OF(T, X)                                                                                                                       \
  extern "C" void quantize_##T##_##X(const X *x, int64_t n, int given, int margin, int pow2, int poison, T *codes, float *pair,        \
                                     uint32_t *amax) {                                                                                 \
    quantise<T>(x, n, given, margin, pow2, poison, codes, pair, amax);                                                                 \
  }                                                                                                                                    \
  extern "C" void tiles_##T##_##X(const X *x, int64_t rows, int64_t cols, int64_t r, int64_t c, int margin, int pow2, T *codes,        \
                                  float *inverses, float *scratch) {                                                                   \
    tiles(x, rows, cols, r, c, margin, pow2, codes, inverses, scratch);                                                                \
  }
#define ALL(T)                                                                                                                         \
  extern "C" void advance_##T(ScaleState *state, uint32_t amax_bits, int64_t window, int margin, int pow2) {                           \
    const Stats stats{amax_bits, 0, 0};                                                                                                \
    record_stats(state, &stats);                                                                                                       \
    advance_scale<T>(state, window, margin, pow2);                                                                                     \
  }                                                                                                                                    \
  OF(T, float) OF(T, f16) OF(T, bf16)
ALL(e4m3) ALL(e5m2) ALL(f16)
"""
KERNEL_NAMES = {"f8E4M3FN": "e4m3", "f8E5M2": "e5m2", "f16": "f16", "f32": "float", "bf16": "bf16"}


class Kernels:
    """The kernel library's functions, called from Python."""

    def __init__(self, folder):
        source, library = folder / "kernels.cpp", folder / "kernels.so"
        source.write_text(KERNELS)
        flags = ["-std=c++20", "-O1", "-ffp-contract=off", "-shared", "-fPIC", "-I", ROOT / "runtime"]
        subprocess.run(["c++", *flags, source, "-o", library], check=True)
        self.library = ctypes.CDLL(str(library))

    @staticmethod
    def arguments(values):
        return [v.ctypes.data_as(ctypes.c_void_p) if isinstance(v, np.ndarray) else ctypes.c_int64(int(v)) for v in values]

    def run(self, name, *values):
        getattr(self.library, name)(*self.arguments(values))

    def quantize(self, x, storage, margin=0, pow2=False, poison=False, scale=None):
        """Codes, inverse scale and amax."""
        codes, pair, amax = np.zeros(x.shape, DTYPES[storage]), np.zeros(5, np.float32), np.zeros(1, np.uint32)
        if scale is not None:
            pair[0], pair[4] = scale, np.float32(1) / np.float32(scale)
        name = f"quantize_{KERNEL_NAMES[storage]}_{KERNEL_NAMES[NAMES[x.dtype]]}"
        self.run(name, np.ascontiguousarray(x), x.size, scale is not None, margin, pow2, poison, codes, pair, amax)
        return codes, pair[4], amax.view(np.float32)[0]

    def quantize_tiles(self, x, storage, tile, margin=0, pow2=False):
        codes = np.zeros(x.shape, DTYPES[storage])
        counts = [-(-size // t) for size, t in zip(x.shape, tile)]
        inverses, scratch = np.zeros(counts, np.float32), np.zeros(8 * x.size + 64, np.float32)
        name = f"tiles_{KERNEL_NAMES[storage]}_{KERNEL_NAMES[NAMES[x.dtype]]}"
        self.run(name, np.ascontiguousarray(x), *x.shape, *tile, margin, pow2, codes, inverses, scratch)
        return codes, inverses

    def states(self, amaxes, storage, window, margin=0, pow2=False):
        """Scale and window after each step with one of the amaxes."""
        state = np.zeros(9 + window, np.float32)
        state[0] = state[4] = 1
        for amax in amaxes:
            bits = np.float32(amax).view(np.uint32)
            self.run(f"advance_{KERNEL_NAMES[storage]}", state, bits, window, margin, pow2)
            yield state[0].copy(), state[9:].copy()
