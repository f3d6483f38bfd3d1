"""What the end-to-end tests share: the tools, ONNX models, tensor files.

FP8C_BIN names the folder of the binaries (default: build/release/bin).
"""

import json
import os
import pathlib
import resource
import subprocess
import sys

import ml_dtypes
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

ROOT = pathlib.Path(__file__).parents[2]
BIN = pathlib.Path(os.environ.get("FP8C_BIN", ROOT / "build/release/bin"))

# Tests that compare bits rely on the order of a product's sums. With AVX-512, OpenBLAS
# adds up products of less than a million multiplications in another order than larger
# ones, and in one that depends on how the operands lie; its kernels for AVX2 do not.
os.environ.setdefault("OPENBLAS_CORETYPE", "Haswell")

# ------------------------------------------------------------------------------
# Tools
# ------------------------------------------------------------------------------


def run(tool, *arguments, status=0, environment=None, **options):
    """Runs a tool to its end; returns what it printed, both streams in one."""
    done = subprocess.run(
        [BIN / tool, *map(str, arguments)],
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        **options,
    )
    assert done.returncode == status, f"{tool} exited with {done.returncode}\n{done.stdout}"
    return done.stdout


def run_measured(tool, *arguments):
    """What a tool prints on its standard output, and the bytes that it had in memory at
    its peak. A process of its own starts it: Linux counts what the starting one holds."""
    starter = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
    command = [sys.executable, "-c", starter, BIN / tool, *map(str, arguments)]
    lines = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    return "\n".join(lines[:-1]), int(lines[-1]) << 10


def start(tool, *arguments):
    """Starts a tool that a test will wait for or kill."""
    return subprocess.Popen(
        [BIN / tool, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace"
    )


def compile_model(model, program, *options):
    """Compiles an ONNX file; without optimisation unless the options ask for it."""
    if "--host-opt" not in options:
        options += ("--host-opt", "0")
    run("fp8c", "compile", model, "-o", program, *options)
    return program


def stored_names(program, *roles):
    """Names of variables as files have them: of one that is several of the model's, theirs."""
    manifest = json.loads((program / "manifest.json").read_text())
    chosen = [v for v in manifest["variables"] if v["role"] in roles]
    return [part["name"] for v in chosen for part in v.get("parts", {"of": [v]})["of"]]


def call(program, functions, tensors, *options, folder):
    """What the program's functions make of the tensors: outputs and variables."""
    inputs, outputs = folder / "in.safetensors", folder / "out.safetensors"
    write_safetensors(inputs, tensors)
    run("fp8c-run", "call", program, functions, "--inputs", inputs, "--outputs", outputs, *options)
    return read_safetensors(outputs)


# ------------------------------------------------------------------------------
# Errors
# ------------------------------------------------------------------------------

CRASHES = ("Stack dump", "LLVM ERROR", "Assertion", "terminate called", "AddressSanitizer", "bug report")


def listing(folder):
    """Every path below the folder with its size and content's hash."""
    return {
        str(path.relative_to(folder)): hash(path.read_bytes()) if path.is_file() else None
        for path in sorted(pathlib.Path(folder).rglob("*"))
    }


def refuses(tool, *arguments, folder, says, **options):
    """The command fails as errors do, says all of `says`, and leaves the folder
    as it was."""
    before = listing(folder)
    output = run(tool, *arguments, status=1, cwd=folder, **options)
    assert f"{tool}: error: " in output or f"{tool} model: error: " in output
    for word in (says,) if isinstance(says, str) else says:
        assert str(word) in output, output
    assert not any(word in output for word in CRASHES), output
    assert listing(folder) == before
    return output


def limit(size):
    """A full disk, as a process sees it: writes beyond a size fail. By default
    the system also kills the process with a signal; the tools do not let it."""
    return {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))}


# ------------------------------------------------------------------------------
# Tensor files, read by our own few lines so that no test trusts what it tests
# ------------------------------------------------------------------------------

DTYPES = {
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": np.dtype(ml_dtypes.bfloat16),
    "F8_E4M3": np.dtype(ml_dtypes.float8_e4m3fn),
    "F8_E5M2": np.dtype(ml_dtypes.float8_e5m2),
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
}


def read_safetensors(path):
    data = pathlib.Path(path).read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    tensors = {}
    for name, entry in json.loads(data[8:start]).items():
        if name != "__metadata__":
            first, last = (start + offset for offset in entry["data_offsets"])
            tensors[name] = np.frombuffer(data[first:last], DTYPES[entry["dtype"]]).reshape(entry["shape"])
    return tensors


def write_safetensors(path, tensors):
    names = {dtype: name for name, dtype in DTYPES.items()}
    header, data = {}, b""
    for name, tensor in tensors.items():
        raw = np.asarray(tensor).tobytes()
        offsets = [len(data), len(data) + len(raw)]
        header[name] = {"dtype": names[tensor.dtype], "shape": list(tensor.shape), "data_offsets": offsets}
        data += raw
    text = json.dumps(header).encode()
    pathlib.Path(path).write_bytes(len(text).to_bytes(8, "little") + text + data)


# ------------------------------------------------------------------------------
# ONNX models
# ------------------------------------------------------------------------------


class Graph:
    """Builds an ONNX graph; values are names. Floats get the type `dtype`."""

    def __init__(self, dtype=np.float32):
        self.dtype = dtype
        self.nodes, self.inputs, self.initializers = [], [], []

    def op(self, kind, *inputs, outputs=1, **attributes):
        """Adds a node; returns the name of its output or a list of them."""
        name = f"{kind.lower()}.{len(self.nodes)}"
        results = [name] if outputs == 1 else [f"{name}.{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), results, name=name, **attributes))
        return name if outputs == 1 else results

    def tensor(self, value, name=""):
        value = np.asarray(value)
        dtype = self.dtype if value.dtype.kind == "f" else value.dtype
        return numpy_helper.from_array(np.asarray(value, dtype), name)

    def constant(self, value):
        """A value that is not trained: a float initializer would be."""
        return self.op("Constant", value=self.tensor(value))

    def initializer(self, name, value):
        self.initializers.append(self.tensor(value, name))
        return name

    def input(self, name, dtype, shape):
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        self.inputs.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def model(self, outputs, name="test", opset=23):
        """The finished model. `outputs` maps names to shapes."""
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(self.dtype))
        results = [helper.make_tensor_value_info(n, kind, shape) for n, shape in outputs.items()]
        graph = helper.make_graph(self.nodes, name, self.inputs, results, self.initializers)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


def save(model, path):
    onnx.save(model, path)
    return path


INT64 = TensorProto.INT64
