"""A chain of small ops compiles in time that grows as it does."""

import time

import pytest

from support import run

OPS = ("tanh", "sigmoid", "sin", "neg", "gelu", "abs")
STAGES = ("train", "grad", "fp8", "fusion", "exec")


def write_chain(path, length, with_bias):
    """A product, then element-wise ops one after another, then the sum of all: a loss.
    With a bias every sixth op reads a vector, so that kernels run over rows."""
    tensor = "tensor<64x64xf32>"
    lines = [
        f"train.variable @w : {tensor} {{init = #train.constant<0.5>, role = #train.role<parameter>}}",
        "train.variable @b : tensor<64xf32> {init = #train.constant<0.5>, role = #train.role<parameter>}",
        f"func.func @forward(%x: {tensor}) -> (tensor<f32> {{train.output = #train.output<loss>}}) attributes {{train.function = #train.function<forward>}} {{",
        f"  %w = train.read @w : {tensor}",
        "  %b = train.read @b : tensor<64xf32>",
        f"  %x0 = train.matmul %x, %w : {tensor}, {tensor} -> {tensor}",
    ]
    for i in range(length):
        if with_bias and i % 6 == 0:
            lines.append(f"  %x{i + 1} = train.add %x{i}, %b : {tensor}, tensor<64xf32> -> {tensor}")
        else:
            lines.append(f"  %x{i + 1} = train.{OPS[i % 6]} %x{i} : {tensor} -> {tensor}")
    lines.append(f"  %loss = train.reduce_sum %x{length} axes [0, 1] : {tensor} -> tensor<f32>")
    lines.append("  return %loss : tensor<f32>\n}\n")
    path.write_text("\n".join(lines))
    return path


def seconds(path, options):
    """The least of three: what else runs on the machine only adds to it."""
    passes = [f"--fp8c-{stage}-pipeline={options}" for stage in STAGES]
    times = []
    for _ in range(3):
        start = time.monotonic()
        run("fp8c-opt", path, *passes, "--mlir-disable-threading", "-o", path.with_suffix(".out"))
        times.append(time.monotonic() - start)
    return min(times)


@pytest.mark.parametrize("with_bias", (False, True), ids=("plain", "bias"))
@pytest.mark.parametrize("options", ("recipe=bf16 forward-only=true", "recipe=bf16 target=cuda"), ids=("forward", "training"))
def test_chain_in_linear_time(tmp_path, options, with_bias):
    short, long = (
        seconds(write_chain(tmp_path / f"{length}.mlir", length, with_bias), options) for length in (1000, 4000)
    )
    # Four times as long if linear, sixteen times if quadratic.
    assert long < 8 * short, f"1,000 ops take {short:.2f} s, 4,000 ops {long:.2f} s"
