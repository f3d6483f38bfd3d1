"""However the sequences of a step are divided into processes and micro-batches, the bits are the same."""

import json
import re

import numpy as np
import pytest

from parallel_runs import MODELS, RECIPES, Workshop, metrics, state
from support import run

STEPS = 5
KEEP = ["--checkpoint-every", 1, "--keep", 0]
# Processes times micro-batches.
DIVISIONS = {4: [(4, 1), (2, 2), (1, 4)], 3: [(3, 1), (1, 3)], 6: [(2, 3), (3, 2)]}
CASES = [
    ("gpt2", "f32", 4, 2),
    ("gpt2", "fp8-lm", 4, 1),
    ("gpt2", "fp8-delayed", 3, 1),
    ("gpt2", "wire-e5m2", 6, 1),
    ("llama", "bf16", 4, 1),
    ("llama", "fp8-current", 3, 2),
    ("llama", "fp8-lm", 6, 1),
]


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    return Workshop(tmp_path_factory.mktemp("reproducible"))


def program_of(workshop, model, recipe, division, rows):
    dp, micro_batches = division
    return workshop.program(model, recipe, dp, rows, "--micro-batches", micro_batches, "--reproducible")


def train(workshop, model, recipe, division, rows, *options):
    program = program_of(workshop, model, recipe, division, rows)
    run("fp8c-run", "train", program, "--nproc", division[0], *options)


def facts(out):
    """What a run's metrics say of its arithmetic."""
    return [(line["step"], line["loss"], line["grad_norm"], line["val_loss"]) for line in metrics(out)]


def expect_same(out, other, steps=STEPS):
    assert facts(out) == facts(other)
    assert len(facts(out)) == steps
    for step in 1, steps:
        one, two = state(out, step), state(other, step)
        assert one.keys() == two.keys()
        assert [name for name in one if one[name].tobytes() != two[name].tobytes()] == []


@pytest.mark.parametrize("model, recipe, parts, rows", CASES)
def test_divisions_give_the_same_bits(workshop, model, recipe, parts, rows, tmp_path):
    options = ["--data", workshop.data(model), "--steps", STEPS, "--warmup", 0, "--lr", 3e-3, *KEEP]
    first, *others = DIVISIONS[parts]
    train(workshop, model, recipe, first, rows, *options, "--out", tmp_path / "first")
    assert len({loss for _, loss, *_ in facts(tmp_path / "first")}) == STEPS
    for division in others:
        out = tmp_path / "x".join(map(str, division))
        train(workshop, model, recipe, division, rows, *options, "--out", out)
        expect_same(tmp_path / "first", out)


def fusions(onnx, recipe, division, target):
    """The kernels of each function that makes gradients, in order, whatever their values are called."""
    dp, micro_batches = division
    text = run("fp8c", "compile", onnx, "--recipe", recipe, "--batch", 1, "--parallel", f"dp={dp}", "--micro-batches",
               micro_batches, "--reproducible", "--bucket", 2000, "--target", target, "--emit", "fusion")  # fmt: skip
    found = []
    for name, body in re.findall(r"func\.func @(micro\w*)\((.*?)\n  }", text, re.DOTALL):
        kernels = []
        for kernel in re.findall(r"= (train\.fusion .*?\n    })", body, re.DOTALL):
            numbers = {}
            kernels.append(re.sub(r"%[\w#:]+", lambda m: f"%{numbers.setdefault(m[0], len(numbers))}", kernel))
        # Parts are quantised, and sums cast, by the last one alone.
        found.append([kernel for kernel in kernels if "#fp8.phase<update>" not in kernel])
    assert len(found) == (1 if micro_batches == 1 else 2)
    return found


@pytest.mark.parametrize("target", ["cpu", "cuda"])
@pytest.mark.parametrize("recipe", ["f32", "fp8-lm", "fp8-block"])
@pytest.mark.parametrize("model", MODELS)
def test_what_is_fused_does_not_depend_on_it(workshop, model, recipe, target):
    """Fusing differently adds in another order. GPUs sum the rows of a norm's VJP in the kernel before, where they may."""
    onnx = workshop.folder / f"{model}.onnx"
    if not onnx.exists():
        run("fp8c", "model", *MODELS[model], "-o", onnx)
    first, *others = [kernels for division in DIVISIONS[4] for kernels in fusions(onnx, recipe, division, target)]
    assert len(first) > 10
    assert others == [first] * 4


def test_so_they_do_where_labels_are_left_out(workshop, tmp_path):
    """Most windows have none: a part of a step has none, and some steps have none at all."""
    data = workshop.data("gpt2")
    tokens = np.fromfile(data, "<u2").astype(int)
    counts = (np.arange(len(tokens)) // 48 % 7 == 0) & (np.arange(len(tokens)) % 3 == 0)
    np.where(counts, tokens, -100).astype("<i4").tofile(tmp_path / "labels.bin")
    options = ["--data", data, "--labels", tmp_path / "labels.bin", "--steps", 20, "--warmup", 0, "--lr", 1e-3,
               *KEEP]
    for dp, micro_batches in DIVISIONS[4]:
        train(workshop, "gpt2", "fp8-lm", (dp, micro_batches), 1, *options, "--out", tmp_path / f"{dp}")
    losses = [loss for _, loss, *_ in facts(tmp_path / "4")]
    assert None in losses and len(set(losses)) > 6
    for dp in "2", "1":
        expect_same(tmp_path / "4", tmp_path / dp, 20)


def test_a_run_may_move_and_stay_the_same(workshop, tmp_path):
    options = ["--data", workshop.data("gpt2"), "--warmup", 0, "--schedule", "constant", *KEEP,
               "--val", workshop.data("gpt2"), "--eval-every", 2, "--eval-batches", 7]  # fmt: skip
    train(workshop, "gpt2", "fp8-lm", (4, 1), 1, *options, "--steps", 6, "--out", tmp_path / "whole")
    moved = tmp_path / "moved"
    train(workshop, "gpt2", "fp8-lm", (1, 4), 1, *options, "--steps", 2, "--out", moved)
    for division, steps in ((2, 2), 4), ((4, 1), 6):
        train(workshop, "gpt2", "fp8-lm", division, 1, "--resume", moved, "--steps", steps)
    expect_same(tmp_path / "whole", moved, 6)
    # Seven batches are no multiple of four processes, which share them.
    assert [val_loss is not None for *_, val_loss in facts(moved)] == [False, True] * 3


def test_what_is_not_reproducible_says_so(workshop, tmp_path):
    """A program whose parts are summed differs, or these tests would see nothing."""
    options = ["--data", workshop.data("gpt2"), "--steps", STEPS, "--warmup", 0, "--lr", 3e-3, "--checkpoint-every", -1]
    for dp, accumulate in (4, 1), (2, 2):
        program = workshop.program("gpt2", "fp8-lm", dp, 1)
        run("fp8c-run", "train", program, "--nproc", dp, "--accumulate", accumulate, *options, "--out", tmp_path / f"{dp}")
    assert facts(tmp_path / "4") != facts(tmp_path / "2")


def test_refusals(workshop, tmp_path):
    program = program_of(workshop, "gpt2", "fp8-lm", (2, 2), 1)
    train = ["fp8c-run", "train", program, "--data", workshop.data("gpt2"), "--steps", 1, "--out", tmp_path / "run"]
    output = run(*train, "--nproc", 2, "--accumulate", 1, status=1)
    assert "compiled for 2 micro-batches per step" in output and "train it with --accumulate 2" in output
    onnx = workshop.folder / "gpt2.onnx"
    output = run("fp8c", "compile", onnx, "--micro-batches", 2, "--batch", 1, "-o", tmp_path / "p.fp8x", status=1)
    assert "add --reproducible" in output
    output = run("fp8c", "compile", onnx, "--reproducible", "--batch", 1, "-o", tmp_path / "p.fp8x", status=1)
    assert "--micro-batches" in output
    native = workshop.folder / "native.yaml"
    native.write_text(RECIPES["native"])
    output = run("fp8c", "compile", onnx, "--reproducible", "--micro-batches", 1, "--batch", 1, "--recipe", native,
                 "-o", tmp_path / "p.fp8x", status=1)  # fmt: skip
    assert "native.yaml:" in output and "a reproducible training cannot have it" in output
    native.write_text(RECIPES["native"].replace("wire: e4m3", "wire: bf16"))
    output = run("fp8c", "compile", onnx, "--batch", 1, "--recipe", native, "-o", tmp_path / "p.fp8x", status=1)
    assert "'wire: e4m3' says so" in output
    assert not (tmp_path / "p.fp8x").exists() and not (tmp_path / "run").exists()


def test_manifest_tells(workshop, tmp_path):
    manifest = json.loads((program_of(workshop, "gpt2", "fp8-lm", (1, 4), 1) / "manifest.json").read_text())
    assert manifest["grid"] == {"dp": 1}
    assert manifest["model"]["micro_batches"] == 4 and manifest["model"]["reproducible"] is True
    kept = {v["of"]: v["shape"] for v in manifest["variables"] if v["role"] == "gradient_parts"}
    shapes = {v["name"]: v["shape"] for v in manifest["variables"] if v["role"] == "parameter"}
    assert kept == {name: [4, *shape] for name, shape in shapes.items()}
