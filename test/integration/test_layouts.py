"""Programs in the layouts of GPUs, run on the CPU."""

import re

import numpy as np
import pytest

from support import call, compile_model, run

SIZES = "--layers 2 --d-model 32 --heads 2 --vocab 64 --seq 16".split()
STEPS = "init,{}micro,micro,update,micro,eval"


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("layouts")
    for family in ("gpt2", "llama"):
        run("fp8c", "model", family, *SIZES, "--seed", 1, "-o", folder / f"{family}.onnx")
    return folder


@pytest.mark.parametrize("recipe", ["fp8-delayed", "fp8-current"])
@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_the_layout_changes_no_bit(models, tmp_path, family, recipe):
    """Every element of a product is the same sum in the same order, whatever
    way its operands lie, so all variables agree bit for bit after two steps."""
    rng = np.random.default_rng(0)
    batch = {name: rng.integers(0, 64, (2, 16)) for name in ("tokens", "targets")}
    functions = STEPS.format("calibrate," if recipe == "fp8-delayed" else "")
    results = {}
    for layouts in ("any", "tn"):
        options = ("--recipe", recipe, "--batch", 2, "--fp8-layouts", layouts)
        program = compile_model(models / f"{family}.onnx", tmp_path / f"{layouts}.fp8x", *options)
        results[layouts] = call(program, functions, batch, folder=tmp_path)
    any_layout, tn = results["any"], results["tn"]
    for name, value in any_layout.items():
        assert value.tobytes() == tn[name].tobytes(), name
    # What it has beside those are the transposed weights.
    transposed = {name for name in tn if name.endswith(".e4m3t")}
    assert transposed
    for name in transposed:
        if name[:-1] in tn:
            assert np.array_equal(tn[name].view("u1"), tn[name[:-1]].view("u1").T), name


def test_transposes_cost_no_pass_over_memory(models):
    """Each is written by the kernel that quantises: only copies that are there
    anyway stay."""
    emit = lambda layouts: run(
        "fp8c", "compile", models / "gpt2.onnx", "--recipe", "fp8-delayed", "--batch", 2, "--fp8-layouts", layouts, "--emit=exec"
    )
    any_layout, tn = emit("any"), emit("tn")
    assert tn.count("exec.copy") == any_layout.count("exec.copy")
    # In @update and @init one launch quantises many weights, but transposes one.
    for function in ("forward", "eval", "micro", "calibrate", "infer"):
        bodies = [re.search(rf"func.func @{function}\(.*?\n  }}", text, re.S)[0] for text in (any_layout, tn)]
        assert bodies[0].count("exec.launch") == bodies[1].count("exec.launch") > 0


def test_cuda_programs_have_the_layouts_of_tensor_cores(models):
    text = run("fp8c", "compile", models / "gpt2.onnx", "--batch", 2, "--target", "cuda", "--emit=exec")
    gemms = [line for line in text.splitlines() if "exec.gemm" in line and "xf8E" in line]
    assert len(gemms) > 4 * 2 * 3
    for line in gemms:
        assert "transpose_b" in line and "transpose_a" not in line, line
