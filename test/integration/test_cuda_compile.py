"""Programs for CUDA: they compile without a GPU, and say so where there is none to run on."""

import shutil
import subprocess

import pytest

from support import run
from test_exports import Export, archive

NVCC = shutil.which("nvcc") or shutil.which("nvcc", path="/usr/local/cuda/bin")
needs_nvcc = pytest.mark.skipif(not NVCC, reason="no CUDA toolkit on this machine")

# Multiples of 128, which the blocks of fp8-block need.
SHAPE = ["--layers", 1, "--d-model", 128, "--heads", 2, "--vocab", 128, "--seq", 64]


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    for family, more in (("gpt2", []), ("llama", ["--kv-heads", 1])):
        run("fp8c", "model", family, *SHAPE, *more, "-o", folder / f"{family}.onnx")
    return folder


def has_gpu():
    return shutil.which("nvidia-smi") is not None


@needs_nvcc
@pytest.mark.parametrize("family, recipe", [("gpt2", "f32"), ("gpt2", "fp8-delayed"), ("gpt2", "fp8-lm"), ("gpt2", "fp8-head"), ("gpt2", "fp8-block"), ("llama", "bf16"), ("llama", "fp8-current"), ("llama", "fp8-rowwise")])
def test_compiles(models, tmp_path, family, recipe):
    program = tmp_path / "program.fp8x"
    # A chunk is half of the 128 rows of 128 logits.
    command = ["--recipe", recipe, "--batch", 2, "--target", "cuda", "--max-logits", 64 * 128 * 2]
    run("fp8c", "compile", models / f"{family}.onnx", *command, "-o", program)
    symbols = subprocess.run(["nm", "-D", "--defined-only", program / "program.so"], check=True, capture_output=True, text=True).stdout
    for function in ("micro", "update", "eval", "infer"):
        assert f" T fp8c_{function}\n" in symbols
    if has_gpu():
        return
    (tmp_path / "tokens.bin").write_bytes(bytes(2 * 4096))
    said = run("fp8c-run", "train", program, "--data", tmp_path / "tokens.bin", "--steps", 1, "--out", tmp_path / "run", status=1)
    assert "error: " in said and "hint: " in said and "--target cpu" in said
    assert not (tmp_path / "run").exists()


@needs_nvcc
@pytest.mark.parametrize("gpu, recipe", [("sm_89", "bf16"), ("sm_90", "fp8-head")])
def test_odd_sizes_compile(tmp_path, gpu, recipe):
    """Padded rows of logits, on GPUs with little shared memory and with much."""
    sizes = ["--layers", 1, "--d-model", 128, "--heads", 2, "--vocab", 257, "--seq", 33]
    run("fp8c", "model", "gpt2", *sizes, "-o", tmp_path / "odd.onnx")
    command = ["--recipe", recipe, "--batch", 3, "--target", "cuda", "--gpu", gpu, "--max-logits", 48 * 384 * 2]
    run("fp8c", "compile", tmp_path / "odd.onnx", *command, "-o", tmp_path / "program.fp8x")
    assert "PaddedClasses{257, 384}" in (tmp_path / "program.fp8x/step.cu").read_text()


@needs_nvcc
@pytest.mark.parametrize("name, said", [("bloom-d18-eager-mask", ".bias = {1, 3, 1, 13}"), ("gemma2-d18-eager", ".window = 5, .softcap = "), ("t5-d18-eager-mask", "/*d_bias=*/")])
def test_what_scores_can_have_compiles(tmp_path, name, said):
    (tmp_path / "model.onnx").write_bytes(archive()[f"{name}/model.onnx"])
    run("fp8c", "compile", tmp_path / "model.onnx", "--recipe", "bf16", "--target", "cuda", *Export(name).options(), "-o", tmp_path / "program.fp8x")
    assert said in (tmp_path / "program.fp8x/step.cu").read_text()


@needs_nvcc
def test_operands_are_exposed(models, tmp_path):
    run("fp8c", "compile", models / "gpt2.onnx", "--batch", 2, "--target", "cuda", "--expose-operands", "-o", tmp_path / "program.fp8x")
    assert "@observe " in run("fp8c-run", "info", tmp_path / "program.fp8x")


def test_attention_backward_in_parts(models):
    """Two heads of 64 tokens keep 2 * (64 * 128 * 2 + 64 * 4) bytes for each sequence."""

    def emit(stage, limit):
        command = ["--batch", 4, "--target", "cuda", "--max-scratch", limit, f"--emit={stage}"]
        return run("fp8c", "compile", models / "gpt2.onnx", *command)

    sequence = 2 * (64 * 128 * 2 + 64 * 4)
    for limit, parts in ((0, 1), (4 * sequence + 1024, 1), (4 * sequence, 2), (2 * sequence, 4), (1, 4)):
        assert f"memref<{4 // parts * sequence + 1024}xi8>" in emit("exec", limit)
        assert (f".parts = {parts}}}" in emit("source", limit)) == (parts > 1)


def test_says_what_is_missing(models, tmp_path):
    program = tmp_path / "program.fp8x"
    said = run("fp8c", "compile", models / "gpt2.onnx", "--batch", 2, "--target", "cuda", "--cuda-compiler", "/no/nvcc", "-o", program, status=1)
    assert "found no CUDA compiler '/no/nvcc'" in said and "install the CUDA toolkit" in said
    assert not program.exists() and not list(tmp_path.iterdir())
