"""Sizes that are no multiple of 16: they are padded, and the padding changes nothing."""

import re

import numpy as np
import pytest

from support import call, compile_model, read_safetensors, run

LAYERS, WIDTH, VOCAB = 2, 64, 257
FAMILIES = {"gpt2": [], "llama": ["--kv-heads", 1, "--ffn", 96]}
LINEARS = {"gpt2": 4, "llama": 4}  # matrix products of one layer


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("odd")

    def model(family, seq, width=WIDTH, vocab=VOCAB):
        path = folder / f"{family}-{seq}-{width}-{vocab}.onnx"
        if not path.exists():
            sizes = ["--layers", LAYERS, "--d-model", width, "--heads", 2, "--vocab", vocab, "--seq", seq]
            run("fp8c", "model", family, *sizes, *FAMILIES[family], "--seed", 1, "-o", path)
        return path

    return model


def batch_of(batch, seq, vocab=VOCAB):
    rng = np.random.default_rng(batch * seq)
    return {name: rng.integers(0, vocab, (batch, seq)) for name in ("tokens", "targets")}


def products(text):
    """(in FP8, all, what is said of the others) of a program's summary."""
    inside, all_of_them, others = re.search(r"(\d+) of (\d+) matrix products are in FP8(.*)", text).groups()
    return int(inside), int(all_of_them), others


def gradients(variables):
    return {name: value.astype(np.float64) for name, value in variables.items() if name.endswith(".grad") and value.dtype.kind != "V"}


def grown(tensors, rows):
    """More sequences, copies of those that are there, whose labels do not count."""
    copies = np.arange(rows) % len(tensors["tokens"])
    targets = tensors["targets"][copies].copy()
    targets[len(tensors["targets"]) :] = -100
    return {"tokens": tensors["tokens"][copies], "targets": targets}


@pytest.mark.parametrize(
    "family, recipe, batch, seq",
    [("gpt2", "fp8-current", 3, 33), ("llama", "fp8-delayed", 1, 7), ("gpt2", "fp8-rowwise", 5, 17), ("gpt2", "fp8-head", 1, 7)],
)
def test_padding_adds_nothing(models, tmp_path, family, recipe, batch, seq):
    """16 sequences make whole tiles of 16 without padding. If what is there besides
    the batch is copies that do not count, every amax and so every scale and code is
    the same; sums over tokens have some zeros more, and another order."""
    tensors, results = batch_of(batch, seq), []
    delayed = recipe in ("fp8-delayed", "fp8-head")
    for size, inputs in ((batch, tensors), (16, grown(tensors, 16))):
        program = compile_model(models(family, seq), tmp_path / f"{size}.fp8x", "--recipe", recipe, "--batch", size, "--require-fp8")
        results.append(call(program, "calibrate,micro" if delayed else "micro", inputs, folder=tmp_path))
    padded, whole = results
    assert abs(padded["loss"] - whole["loss"]) <= 1e-6 * whole["loss"]
    for name, want in gradients(whole).items():
        np.testing.assert_allclose(padded[name].astype(np.float64), want, rtol=0, atol=1e-6 * np.abs(want).max(), err_msg=name)
    # What a micro-batch records: the largest magnitudes, and how many did not fit.
    states = [name for name in whole if name.endswith((".x.scale", ".dy.scale"))]
    assert bool(states) == delayed
    for name in states:
        assert padded[name].tobytes() == whole[name].tobytes(), name


@pytest.mark.parametrize("family, recipe, batch, seq, width", [("llama", "fp8-block", 5, 33, 128), ("gpt2", "fp8-lm", 3, 33, 72)])
def test_every_size_may_be_odd(models, tmp_path, family, recipe, batch, seq, width):
    """Gradients point where those in f32 do; so they do at sizes that fit."""
    tensors, cosines = batch_of(batch, seq), {}
    model = models(family, seq, width)
    programs = [compile_model(model, tmp_path / f"{r}.fp8x", "--recipe", r, "--batch", batch) for r in ("f32", recipe)]
    want, have = (call(program, "calibrate,micro" if "lm" in program.name else "micro", tensors, folder=tmp_path) for program in programs)
    for name, value in gradients(want).items():
        other = have[name].astype(np.float64)
        cosines[name] = (value * other).sum() / np.sqrt((value**2).sum() * (other**2).sum())
    assert min(cosines.values()) > 0.98, cosines


def test_summary(models, tmp_path):
    """The last line, on compile's stdout and in inspect."""
    line = run("fp8c", "compile", models("gpt2", 33), "--recipe", "fp8-delayed", "--batch", 3, "--host-opt", 0, "-o", tmp_path / "p.fp8x").splitlines()[-1]
    inside, total, others = products(line)
    head = 3  # forward and two gradients
    assert (inside, total) == (3 * LAYERS * LINEARS["gpt2"], 3 * LAYERS * LINEARS["gpt2"] + head)
    assert others == f"; not {head}: the recipe says bf16"
    assert products(run("fp8c", "inspect", tmp_path / "p.fp8x")) == (inside, total, others)


def test_resume(models, tmp_path):
    """With checkpoints of the shapes that the model has."""
    program = compile_model(models("gpt2", 33), tmp_path / "p.fp8x", "--recipe", "fp8-lm", "--batch", 3)
    np.random.default_rng(0).integers(0, VOCAB, 4000).astype(np.uint16).tofile(tmp_path / "tokens.bin")
    command = ["--data", tmp_path / "tokens.bin", "--lr", 1e-3, "--schedule", "constant", "--warmup", 0]
    run("fp8c-run", "train", program, *command, "--steps", 4, "--out", tmp_path / "run")
    run("fp8c-run", "train", program, *command, "--steps", 2, "--out", tmp_path / "half")
    run("fp8c-run", "train", "--resume", tmp_path / "half", "--steps", 4)
    whole, resumed = (read_safetensors(tmp_path / name / "checkpoints/step-000004/model.safetensors") for name in ("run", "half"))
    assert whole["wte.weight"].shape == (VOCAB, WIDTH)
    assert all(whole[name].tobytes() == resumed[name].tobytes() for name in whole)


@pytest.mark.parametrize(
    "family, recipe, options",
    [("gpt2", "bf16", []), ("llama", "bf16", ["--max-logits", 16 * 272 * 2]), ("gpt2", "fp8-head", ["--max-logits", 16 * 272 * 2]), ("llama", "fp8-lm", [])],
)
def test_vocabulary_is_padded_inside(models, tmp_path, family, recipe, options):
    """A head of 257 classes, as it is and with 272 columns: losses, gradients and logits
    are the same but for the order of sums, before they are rounded to bf16."""
    tensors, results = batch_of(3, 33), []
    for multiple in (1, 16):
        program = compile_model(
            models(family, 33), tmp_path / f"{multiple}.fp8x", "--recipe", recipe, "--batch", 3, "--pad-vocabulary", multiple, *options
        )
        functions = "init,micro,eval,forward" if recipe == "bf16" else "init,calibrate,micro,eval,forward"
        results.append(call(program, functions, tensors, folder=tmp_path))
        assert ("PaddedClasses{257, 272}" in (program / "step.cpp").read_text()) == (multiple == 16)
    plain, padded = results
    assert plain["logits"].shape == padded["logits"].shape == (3, 33, VOCAB)
    logical = [name for name in plain if ".grad" in name or name.endswith(("weight", "bias", ".m", ".v"))]
    assert len(logical) > 4 * 10
    for name in logical:
        assert plain[name].shape == padded[name].shape, name
    for name, want in [*gradients(plain).items(), ("loss", plain["loss"]), ("logits", plain["logits"].astype(np.float64))]:
        size = np.abs(want).max()
        np.testing.assert_allclose(padded[name].astype(np.float64), want, rtol=0, atol=1e-3 * size, err_msg=name)
    assert abs(padded["loss"] - plain["loss"]) <= 2e-6 * plain["loss"]
