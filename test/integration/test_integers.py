"""Integers and booleans at run time, against NumPy: every case in one program."""

import shutil

import numpy as np
import pytest

import integer_cases
from support import call, read_safetensors, run

NVCC = shutil.which("nvcc") or shutil.which("nvcc", path="/usr/local/cuda/bin")
PROGRAM = integer_cases.build()


def compile_text(folder, name, text, **options):
    """A program of train-dialect text: no ONNX file says all of it."""
    (folder / f"{name}.mlir").write_text(text)
    words = {"output": folder / f"{name}.fp8x", **options}
    settings = " ".join(f"{key.replace('_', '-')}={value}" for key, value in words.items())
    run("fp8c-test-opt", folder / f"{name}.mlir", f"--test-compile={settings}", "-o", folder / f"{name}.exec.mlir")
    return words["output"]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("integers")
    program = compile_text(folder, "integers", PROGRAM.text(), forward_only=1)
    return call(program, "forward", PROGRAM.inputs, folder=folder)


@pytest.mark.parametrize("name", PROGRAM.results)
def test_case(results, name):
    integer_cases.check(name, results[name], PROGRAM.expected[name])


TRAINED = """
train.variable @table : tensor<9x16xf32> {init = #train.normal<mean = 0.0, stddev = 1.0>, role = #train.role<parameter>}
func.func @forward(%tokens: tensor<3x8xi64> {fp8.name = "tokens"}) -> (tensor<f32> {fp8.name = "loss"}) attributes {train.function = #train.function<forward>} {
  %one = arith.constant dense<1> : tensor<i64>
  %pad = arith.constant dense<4> : tensor<i64>
  %kept = train.compare ne %tokens, %pad : tensor<3x8xi64>, tensor<i64> -> tensor<3x8xi1>
  %counts = train.convert %kept : tensor<3x8xi1> -> tensor<3x8xi64>
  %order = arith.constant dense<[[0, 1, 2, 3, 4, 5, 6, 7]]> : tensor<1x8xi64>
  %t = train.reshape %order : tensor<1x8xi64> -> tensor<8x1xi64>
  %sees = train.compare le %order, %t : tensor<1x8xi64>, tensor<8x1xi64> -> tensor<8x8xi1>
  %zero = arith.constant dense<0> : tensor<i64>
  %c = train.reshape %counts : tensor<3x8xi64> -> tensor<3x1x8xi64>
  %seen = train.select %sees, %c, %zero : tensor<8x8xi1>, tensor<3x1x8xi64>, tensor<i64> -> tensor<3x8x8xi64>
  %upto = train.reduce_sum %seen axes [2] : tensor<3x8x8xi64> -> tensor<3x8xi64>
  %before = train.sub %upto, %one : tensor<3x8xi64>, tensor<i64> -> tensor<3x8xi64>
  %positions = train.maximum %before, %zero : tensor<3x8xi64>, tensor<i64> -> tensor<3x8xi64>
  %table = train.read @table : tensor<9x16xf32>
  %x = train.embedding %table, %tokens : tensor<9x16xf32>, tensor<3x8xi64> -> tensor<3x8x16xf32>
  %p = train.embedding %table, %positions : tensor<9x16xf32>, tensor<3x8xi64> -> tensor<3x8x16xf32>
  %h = train.maximum %x, %p : tensor<3x8x16xf32>, tensor<3x8x16xf32> -> tensor<3x8x16xf32>
  %f = arith.constant dense<[1.0, 0.7, 0.5, 0.3, 0.2, 0.1, 0.05, 0.01]> : tensor<8xf32>
  %pf = train.convert %positions : tensor<3x8xi64> -> tensor<3x8xf32>
  %pc = train.reshape %pf : tensor<3x8xf32> -> tensor<3x8x1xf32>
  %angle = train.mul %pc, %f : tensor<3x8x1xf32>, tensor<8xf32> -> tensor<3x8x8xf32>
  %cos = train.cos %angle : tensor<3x8x8xf32> -> tensor<3x8x8xf32>
  %sin = train.sin %angle : tensor<3x8x8xf32> -> tensor<3x8x8xf32>
  %both = train.concat %cos, %sin axis 2 : tensor<3x8x8xf32>, tensor<3x8x8xf32> -> tensor<3x8x16xf32>
  %turned = train.mul %h, %both : tensor<3x8x16xf32>, tensor<3x8x16xf32> -> tensor<3x8x16xf32>
  %scores = train.matmul %turned, %table contracting [2] x [1] : tensor<3x8x16xf32>, tensor<9x16xf32> -> tensor<3x8x9xf32>
  %logs = train.log_softmax %scores : tensor<3x8x9xf32> -> tensor<3x8x9xf32>
  %index = train.reshape %tokens : tensor<3x8xi64> -> tensor<3x8x1xi64>
  %chosen = train.gather_elements %logs, %index : tensor<3x8x9xf32>, tensor<3x8x1xi64> -> tensor<3x8x1xf32>
  %flat = train.reshape %chosen : tensor<3x8x1xf32> -> tensor<3x8xf32>
  %nothing = arith.constant dense<0.0> : tensor<f32>
  %counted = train.select %kept, %flat, %nothing : tensor<3x8xi1>, tensor<3x8xf32>, tensor<f32> -> tensor<3x8xf32>
  %most = train.reduce_max %scores axes [2] : tensor<3x8x9xf32> -> tensor<3x8xf32>
  %terms = train.sub %most, %counted : tensor<3x8xf32>, tensor<3x8xf32> -> tensor<3x8xf32>
  %loss = train.reduce_sum %terms axes [0, 1] : tensor<3x8xf32> -> tensor<f32>
  return %loss : tensor<f32>
}
"""
FREQUENCIES = np.array([1.0, 0.7, 0.5, 0.3, 0.2, 0.1, 0.05, 0.01], np.float32).astype(np.float64)
TOKENS = np.array([[4, 4, 1, 2, 8, 0, 3, 5], [7, 4, 6, 6, 4, 1, 2, 3], [4] * 8])


def loss_of(table):
    """The same in NumPy, in float64."""
    kept = TOKENS != 4
    positions = np.maximum(np.cumsum(kept, 1) - 1, 0)
    angle = positions[..., None] * FREQUENCIES
    h = np.maximum(table[TOKENS], table[positions]) * np.concatenate([np.cos(angle), np.sin(angle)], 2)
    scores = h @ table.T
    logs = scores - np.log(np.exp(scores).sum(-1, keepdims=True))
    chosen = np.take_along_axis(logs, TOKENS[..., None], -1)[..., 0]
    return np.sum(scores.max(-1) - np.where(kept, chosen, 0))


def test_positions_and_masks_in_training(tmp_path):
    """Padding counted, masked, looked up and turned by, with gradients through it."""
    program = compile_text(tmp_path, "trained", TRAINED)
    table = np.random.default_rng(1).normal(size=(9, 16)).astype(np.float32)
    results = call(program, "micro", {"tokens": TOKENS, "table": table}, folder=tmp_path)
    exact = table.astype(np.float64)
    np.testing.assert_allclose(results["loss"], loss_of(exact), rtol=1e-5)
    expected = np.zeros_like(exact)
    for index in np.ndindex(exact.shape):
        step = np.zeros_like(exact)
        step[index] = 1e-6
        expected[index] = (loss_of(exact + step) - loss_of(exact - step)) / 2e-6
    np.testing.assert_allclose(results["table.grad"], expected, rtol=2e-5, atol=2e-5 * np.abs(expected).max())


@pytest.mark.skipif(not NVCC, reason="no CUDA toolkit on this machine")
def test_compiles_for_cuda(tmp_path):
    """On packs of eight neighbours, and on single elements."""
    compile_text(tmp_path, "integers", PROGRAM.text(), forward_only=1, target="cuda")


def test_recipes_leave_integers_alone(tmp_path):
    """What counts is f32 or an integer; what is rounded is what depends on parameters."""
    program = compile_text(tmp_path, "trained", TRAINED, recipe="fp8-current")
    table = np.random.default_rng(1).normal(size=(9, 16)).astype(np.float32)
    results = call(program, "micro", {"tokens": TOKENS, "table": table}, folder=tmp_path)
    assert abs(results["loss"] - loss_of(table)) <= 0.05 * abs(loss_of(table))
