"""What `cmake --install` makes is complete: its tools work without the sources, and other
compilers can be built with it."""

import os
import pathlib
import re
import subprocess

import numpy as np
import pytest

from support import BIN, ROOT

BUILD = BIN.parent
CONSUMER = ROOT / "test/integration/consumer"
LINALG = """
func.func @f(%x: tensor<32x64xf32>, %w: tensor<64x48xf32>, %init: tensor<32x48xf32>) -> tensor<32x48xf32> {
  %0 = linalg.matmul ins(%x, %w : tensor<32x64xf32>, tensor<64x48xf32>) outs(%init : tensor<32x48xf32>) -> tensor<32x48xf32>
  return %0 : tensor<32x48xf32>
}
"""
FP8_PASSES = "--pass-pipeline=builtin.module(fp8-assign-precision{recipe=fp8-current},fp8-insert-scaling)"


def cached(name):
    return re.search(rf"^{name}:\w+=(.*)$", (BUILD / "CMakeCache.txt").read_text(), re.M)[1]


MLIR = pathlib.Path(cached("MLIR_DIR")).parents[2]
pytestmark = pytest.mark.skipif(cached("FP8C_SANITIZE") == "ON", reason="others are not built with sanitizers")


def run(*command, status=0, **environment):
    """Runs a command that knows nothing of where the sources are."""
    done = subprocess.run(
        [*map(str, command)],
        cwd="/",
        env={"PATH": os.environ["PATH"], "OPENBLAS_CORETYPE": "Haswell", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == status, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    """A folder that has been moved since."""
    first = tmp_path_factory.mktemp("install") / "first"
    run("cmake", "--install", BUILD, "--prefix", first)
    return first.rename(first.parent / "prefix")


@pytest.fixture(scope="module")
def model(prefix):
    path = prefix.parent / "model.onnx"
    sizes = "--layers 1 --d-model 16 --heads 2 --vocab 32 --seq 16".split()
    run(prefix / "bin/fp8c", "model", "gpt2", *sizes, "--no-weights", "-o", path)
    return path


@pytest.fixture(scope="module")
def consumer(prefix):
    """Programs of others, built with nothing but the prefix and MLIR."""
    build = prefix.parent / "consumer"
    options = [f"-DCMAKE_PREFIX_PATH={prefix}", f"-DMLIR_DIR={MLIR}/lib/cmake/mlir"]
    run("cmake", "-G", "Ninja", "-S", CONSUMER, "-B", build, *options)
    run("cmake", "--build", build, "-j2")
    return build


def test_headers_are_complete(prefix):
    """What installed headers include is installed, or MLIR's."""
    folders = [prefix / "include", prefix / "include/fp8c"]
    headers = [path for path in folders[1].rglob("*") if path.suffix in (".h", ".td", ".inc")]
    assert len(headers) > 50
    for header in headers:
        for name in re.findall(r'include "(?!mlir/|llvm/)([^"]+)"', header.read_text()):
            assert any((folder / name).exists() for folder in folders), f"{header} includes {name}"


@pytest.mark.parametrize("tool", ["fp8c", "fp8c-opt", "fp8c-plugin"])
def test_tools_are_users(prefix, tool):
    """Our own tools have of the compiler what others have; of the runtime they have all."""
    ours = [ROOT / "tools" / tool, ROOT / "runtime"]
    public = [prefix / "include", prefix / "include/fp8c"]
    for source in [path for path in ours[0].iterdir() if path.suffix in (".cpp", ".h")]:
        for name in re.findall(r'include "(?!mlir/|llvm/)([^"]+[.]h)"', source.read_text()):
            assert any((folder / name).exists() for folder in ours + public), f"{source} includes {name}"


def test_tools(prefix, model, tmp_path):
    """A program is compiled against the prefix's headers, and trains."""
    compiler = tmp_path / "c++"
    compiler.write_text(f'#!/bin/sh\necho "$@" >{tmp_path}/arguments\nexec c++ "$@"\n')
    compiler.chmod(0o755)
    program, tokens = tmp_path / "model.fp8x", tmp_path / "tokens.bin"
    options = ["--batch", 2, "--host-opt", 0, "--host-compiler", compiler]
    run(prefix / "bin/fp8c", "compile", model, *options, "-o", program)
    arguments = (tmp_path / "arguments").read_text()
    assert str(prefix / "include") in os.path.normpath(re.search(r"-I(\S+)", arguments)[1])
    assert str(ROOT) not in arguments
    (np.arange(200) % 32).astype("<u2").tofile(tokens)
    output = run(prefix / "bin/fp8c-run", "train", program, "--data", tokens, "--steps", 2, "--out", tmp_path / "run")
    assert "trained 2 steps" in output
    assert "--fp8-insert-scaling" in run(prefix / "bin/fp8c-opt", "--help")


def test_a_dialect_of_ones_own(prefix):
    """examples/plugin-dialect, as its page has it: states, layouts, and the way down."""
    build, source = prefix.parent / "toy", ROOT / "examples/plugin-dialect"
    options = [f"-DCMAKE_PREFIX_PATH={prefix}", f"-DMLIR_DIR={MLIR}/lib/cmake/mlir"]
    run("cmake", "-G", "Ninja", "-S", source, "-B", build, *options)
    run("cmake", "--build", build, "-j2")
    passes = ["--fp8-assign-precision=recipe=fp8-delayed", "--fp8-insert-scaling", "--fp8-choose-layouts=tn=true"]
    printed = run(build / "toy-opt", source / "model.mlir", *passes)
    plain = re.sub(r" \{[^{}]*\}", "", printed)
    shown = re.search(r"```mlir\n(.*?)```", (source / "README.md").read_text(), re.DOTALL)[1]
    lines = [line for line in shown.splitlines() if "…" not in line]
    assert len(lines) == 8 and all(line in plain.splitlines() for line in lines)
    assert "toy.linear" not in printed
    assert '%arg3: !fp8.scale_state<f8E4M3FN, 16> {fp8.name = "up.x"}' in printed
    down = run(build / "toy-opt", source / "model.mlir", *passes, "--fp8-lower-to-upstream")
    assert "fp8." not in down and down.count("linalg.contract") == 2 and "toy.add" in down


def test_passes_as_a_library(consumer, tmp_path):
    source = tmp_path / "model.mlir"
    source.write_text(LINALG)
    output = run(consumer / "lower-linalg", source)
    assert "fp8.quantize" in output and "products in FP8: 1" in output


def test_compiler_as_a_library(prefix, model, consumer, tmp_path):
    program = tmp_path / "model.fp8x"
    run(consumer / "compile-model", model, program)
    assert "parameter" in run(prefix / "bin/fp8c-run", "info", program)
    # What is in the way stays, and is told before anything else.
    taken = tmp_path / "notes"
    taken.write_text("mine")
    assert f"will not replace {taken}" in run(consumer / "compile-model", model, taken, status=1)
    assert taken.read_text() == "mine"


def test_interfaces_for_tablegen(prefix):
    """Ops of other dialects can be declared with fp8c's interfaces."""
    folders = [f"-I{prefix}/include/fp8c", f"-I{MLIR}/include"]
    output = run(MLIR / "bin/mlir-tblgen", "-gen-op-decls", *folders, ROOT / "test/lib/TestOps.td")
    assert "FP8ContractionOpInterface" in output


def mlir_opt(prefix, source, *options, **environment):
    plugin = prefix / "lib/fp8c-plugin.so"
    load = [f"--load-dialect-plugin={plugin}", f"--load-pass-plugin={plugin}"]
    return run(MLIR / "bin/mlir-opt", *load, source, *options, **environment)


def test_plugin(prefix, tmp_path):
    source = tmp_path / "model.mlir"
    source.write_text(LINALG)
    assert "fp8.matmul" in mlir_opt(prefix, source, FP8_PASSES)


def test_plugin_in_another_mlir(prefix, tmp_path):
    """The plug-in says what is wrong; mlir-opt alone says that it ignores it."""
    function = "_ZN4mlir12registerPassERKSt8functionIFSt10unique_ptrINS_4PassESt14default_deleteIS2_EEvEE"
    (tmp_path / "other.c").write_text(f"void {function}(void *pass) {{}}\n")
    other = tmp_path / "libMLIR.so.21.1"
    run("cc", "-shared", "-fPIC", tmp_path / "other.c", "-o", other)
    source = tmp_path / "empty.mlir"
    source.write_text("module {}\n")
    output = mlir_opt(prefix, source, LD_PRELOAD=str(other))
    assert "fp8c-plugin: error: was built with MLIR 22.1" in output
    assert f"is loaded into the MLIR of {other}" in output


@pytest.mark.parametrize("isFound", [True, False])
def test_package_of_another_mlir(prefix, tmp_path, isFound):
    """A project whose MLIR has another version is told so, whoever looked for it."""
    package = tmp_path / "mlir"
    package.mkdir()
    (package / "MLIRConfig.cmake").write_text("set(LLVM_VERSION_MAJOR 21)\nset(LLVM_VERSION_MINOR 1)\n")
    (package / "MLIRConfigVersion.cmake").write_text("set(PACKAGE_VERSION 21.1.8)\n")
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.22)\nproject(other NONE)\n"
        + ("find_package(MLIR REQUIRED CONFIG)\n" if isFound else "")
        + "find_package(fp8c REQUIRED)\n"
    )
    options = [f"-DCMAKE_PREFIX_PATH={prefix}", f"-DMLIR_DIR={package}"]
    output = run("cmake", "-S", tmp_path, "-B", tmp_path / "build", *options, status=1)
    output = " ".join(output.split())
    assert "works with no other; found: 21.1" in output, output
