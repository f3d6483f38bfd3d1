"""Small language models, compiled and trained end to end in every recipe.

The text is generated: sentences of a small grammar, so that 60 steps on a model
of two layers are enough to learn a good part of it.
"""

import functools
import json
import random
import re
import time

import numpy as np
import pytest

from support import BIN, call, read_safetensors, run, start, stored_names

RECIPES = ["f32", "bf16", "fp8-delayed", "fp8-current", "fp8-rowwise"]
FP8_RECIPES = ["fp8-delayed", "fp8-current"]  # with one scale per tensor; others: test_tiles.py
LAYERS, WIDTH, SEQ, BATCH, VOCAB = 2, 32, 32, 4, 256
SIZES = ["--layers", LAYERS, "--d-model", WIDTH, "--heads", 2, "--vocab", VOCAB, "--seq", SEQ]
FAMILIES = {"gpt2": SIZES, "llama": [*SIZES, "--kv-heads", 1, "--ffn", 64]}
LINEARS = {"gpt2": 4, "llama": 4}  # matrix products of one layer
STEPS = 60


def generate_text(sentences, seed=1):
    choose = random.Random(seed)
    nouns = "king shepherd river mountain servant prophet city vineyard".split()
    verbs = "saw blessed followed built remembered crossed".split()
    places = "by the water,in the evening,before the people,in those days".split(",")
    lines = (
        f"And the {choose.choice(nouns)} {choose.choice(verbs)} the {choose.choice(nouns)} "
        f"{choose.choice(places)}."
        for _ in range(sentences)
    )
    return "\n".join(lines) + "\n"


class Workshop:
    """Programs and runs, each made once and kept for the tests that share it."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "text.txt").write_text(generate_text(2000))
        run("fp8c", "data", folder / "text.txt", "--tokenizer", "bytes", "-o", folder / "text")
        self.program = functools.cache(self.make_program)
        cached = functools.cache(self.make_run)
        # One key per run, however its default seed is said.
        self.run = lambda family, recipe, seed=1: cached(family, recipe, seed)

    def make_program(self, family, recipe, batch=BATCH):
        model = self.folder / f"{family}.onnx"
        if not model.exists():
            run("fp8c", "model", family, *FAMILIES[family], "--seed", 1, "-o", model)
        program = self.folder / f"{family}-{recipe}-{batch}.fp8x"
        options = ["--recipe", recipe, "--batch", batch, "--host-opt", 1]
        run("fp8c", "compile", model, *options, "-o", program)
        return program

    def make_run(self, family, recipe, seed=1):
        folder = self.folder / f"run-{family}-{recipe}-{seed}"
        run("fp8c-run", *self.command(family, recipe, seed=seed), "--out", folder)
        return folder

    def command(self, family, recipe, seed=1, steps=STEPS):
        """Training's command line, but for the folder of the run."""
        text = self.folder / "text"
        return [
            "train", self.program(family, recipe), "--data", f"{text}.train.bin", "--val", f"{text}.val.bin",
            "--steps", steps, "--lr", 5e-3, "--warmup", 5, "--seed", seed, "--eval-every", 0, "--eval-batches", 0,
        ]  # fmt: skip


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    return Workshop(tmp_path_factory.mktemp("training"))


def metrics(folder):
    """The records of a run without its times."""
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    for record in records:
        del record["ms"], record["tokens_per_s"]
    return records


def losses(folder):
    return np.array([record["loss"] for record in metrics(folder)])


def weights(folder, step=STEPS):
    return (folder / f"checkpoints/step-{step:06}/model.safetensors").read_bytes()


# ------------------------------------------------------------------------------
# Curves
# ------------------------------------------------------------------------------


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("family", FAMILIES)
def test_loss_falls(workshop, family, recipe):
    """It starts at the uniform distribution's, to within what weights of
    standard deviation 0.02 make of logits, and ends below the text's entropy
    without context, 2.8 nats per byte: more than frequencies were learned."""
    curve = losses(workshop.run(family, recipe))
    assert len(curve) == STEPS
    assert abs(curve[0] - np.log(VOCAB)) < 0.1
    text = np.fromfile(workshop.folder / "text.train.bin", "<u2")
    frequencies = np.bincount(text) / text.size
    entropy = -sum(p * np.log(p) for p in frequencies if p)
    assert curve[-10:].mean() < entropy - 0.3


@pytest.mark.parametrize("recipe", RECIPES[1:])
@pytest.mark.parametrize("family", FAMILIES)
def test_formats_change_less_than_seeds(workshop, family, recipe):
    """How far may a narrower format lead training away? No farther than what
    nobody calls a difference: another seed. The distance is that of the final
    losses over the whole validation text, the yardstick the largest one between
    three seeds in f32."""
    final = lambda recipe, seed: metrics(workshop.run(family, recipe, seed))[-1]["val_loss"]
    seeds = [final("f32", seed) for seed in (1, 2, 3)]
    assert abs(final(recipe, 1) - seeds[0]) <= max(seeds) - min(seeds)


@pytest.mark.parametrize("recipe", RECIPES[1:])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_first_loss_is_f32s_up_to_rounding(workshop, family, recipe):
    """Before the first update all recipes compute the same function. A logit is
    a sum of WIDTH products h w, with h of size 1 after the last norm and w of
    size 0.02, and h comes with the relative error e of what the blocks add to
    the residual stream, so it is wrong by about e * sqrt(WIDTH) * 0.02. The loss
    is a mean over BATCH * SEQ targets of differences of logits, whose errors are
    independent. e is at most two units of E4M3, 2^-3; six standard deviations."""
    error = 2**-3 * np.sqrt(WIDTH) * 0.02 * np.sqrt(2) / np.sqrt(BATCH * SEQ)
    first = [losses(workshop.run(family, r))[0] for r in ("f32", recipe)]
    assert abs(first[1] - first[0]) < 6 * error
    assert first[1] != first[0], "the formats are the same"


# ------------------------------------------------------------------------------
# Optimizer states in few bits
# ------------------------------------------------------------------------------

STATE_RECIPES = ["fp8-lm-o1", "fp8-lm-o2", "fp8-lm", "fp8-lm-5"]


@pytest.mark.parametrize("recipe", STATE_RECIPES)
def test_states_in_few_bits_train_as_bf16(workshop, recipe):
    """At 60 steps of 128 tokens, seeds alone move the final loss by some percent: the bound is 4 %."""
    final = lambda recipe: metrics(workshop.run("gpt2", recipe))[-1]["val_loss"]
    assert final(recipe) <= 1.04 * final("bf16")


def test_what_is_written_never_saturates(workshop):
    """A scale from a bound leaves room for every value that the optimizer can make."""
    tensors = read_safetensors(workshop.run("gpt2", "fp8-lm-5") / f"checkpoints/step-{STEPS:06}/model.safetensors")
    amaxes = [value for name, value in tensors.items() if name.endswith(".amax")]
    assert len(amaxes) >= 4 * 4 * LAYERS
    assert all(amax[0] > 0 and amax[1] == 0 and amax[2] == 0 for amax in amaxes)


@pytest.mark.parametrize("family", FAMILIES)
def test_layouts_for_gpus_change_no_bit(workshop, tmp_path, family):
    """A transposed copy of a weight is one more store of the kernel that updates it."""
    program, losses = tmp_path / "tn.fp8x", []
    for layouts in ("any", "tn"):
        workshop.program(family, "bf16")  # makes the model
        options = ["--recipe", "fp8-lm", "--batch", BATCH, "--micro-batches", 1, "--host-opt", 1, "--fp8-layouts", layouts]
        run("fp8c", "compile", workshop.folder / f"{family}.onnx", *options, "-o", program)
        command = workshop.command(family, "bf16", steps=5)
        command[1] = program
        run("fp8c-run", *command, "--out", tmp_path / layouts)
        losses.append(metrics(tmp_path / layouts))
    assert losses[0] == losses[1]


# ------------------------------------------------------------------------------
# FP8 is used
# ------------------------------------------------------------------------------


def contractions(program):
    """Lines of `fp8c inspect` about contractions: name, phase, formats of a and b."""
    lines = run("fp8c", "inspect", program).splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("contraction of @micro"))
    rows = [re.split(r"\s+", line) for line in lines[start + 1 :] if line.strip()]
    return [(row[0], row[1], row[5], row[6]) for row in rows]


@pytest.mark.parametrize("recipe", FP8_RECIPES)
@pytest.mark.parametrize("family", FAMILIES)
def test_contractions_of_the_blocks_are_fp8(workshop, family, recipe):
    products = contractions(workshop.program(family, recipe))
    inside = [p for p in products if p[0].startswith("h.")]
    for phase in ("fwd", "dgrad", "wgrad"):
        formats = [{a, b} for _, p, a, b in inside if p == phase]
        assert len(formats) == LINEARS[family] * LAYERS
        gradient = "f8E4M3FN" if phase == "fwd" else "f8E5M2"
        assert all(f == {"f8E4M3FN", gradient} for f in formats), formats
    # The recipes keep the logits in bf16.
    assert all({a, b} == {"bf16"} for name, _, a, b in products if name.startswith("lm_head"))


@pytest.mark.parametrize("family", FAMILIES)
def test_scales_follow_the_data(workshop, family):
    """Delayed scales are in the checkpoint, one per quantisation site, and are
    the power of two that brings the largest value of the window to the top of
    the format's range: within a factor of two below it."""
    program = workshop.program(family, "fp8-delayed")
    tensors = read_safetensors(workshop.run(family, "fp8-delayed") / f"checkpoints/step-{STEPS:06}/model.safetensors")
    pair = 5  # words; a state has a window besides
    states = {name: tensors[name] for name in stored_names(program, "scale") if tensors[name].size > pair}
    # Two per product: activations and gradients; those that share a value share a site.
    assert LAYERS * 2 <= len(states) <= LAYERS * LINEARS[family] * 2
    for name, state in states.items():
        scale, inverse = state[0], state[4]
        assert scale != 1 and scale * inverse == 1, name
        assert np.log2(scale) % 1 == 0, name


# ------------------------------------------------------------------------------
# The same bits
# ------------------------------------------------------------------------------


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_same_seed_gives_the_same_run(workshop, tmp_path, recipe):
    first = workshop.run("gpt2", recipe)
    run("fp8c-run", *workshop.command("gpt2", recipe), "--out", tmp_path / "run")
    assert metrics(first) == metrics(tmp_path / "run")
    assert weights(first) == weights(tmp_path / "run")


@pytest.mark.parametrize("recipe", [*RECIPES, "fp8-lm-5"])
def test_a_resumed_run_equals_the_uninterrupted_one(workshop, tmp_path, recipe):
    """Scales and counters included: they are variables of the checkpoint."""
    whole, resumed = workshop.run("gpt2", recipe), tmp_path / "run"
    command = [*workshop.command("gpt2", recipe), "--checkpoint-every", 23, "--out", resumed]
    process = start("fp8c-run", *command)
    while not (resumed / "checkpoints/step-000023").exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)
    process.kill()
    process.communicate()
    run("fp8c-run", "train", "--resume", resumed)
    assert metrics(whole) == metrics(resumed)
    assert weights(whole) == weights(resumed)


def test_a_measurement_leaves_no_checkpoint(workshop, tmp_path):
    output = run("fp8c-run", *workshop.command("gpt2", "f32"), "--checkpoint-every", -1, "--out", tmp_path / "run")
    assert metrics(workshop.run("gpt2", "f32")) == metrics(tmp_path / "run")
    assert not list((tmp_path / "run").glob("checkpoints/*"))
    assert "checkpoint" not in output.splitlines()[-1]


def count_lines(path):
    return path.read_text().count("\n") if path.exists() else 0


def test_kills_at_any_time(workshop, tmp_path):
    """kill -9 again and again, also between and during checkpoints: after some
    steps, or none, and some part of one more."""
    whole, resumed = workshop.run("gpt2", "fp8-delayed"), tmp_path / "run"
    options = ["--checkpoint-every", 2, "--keep", 0]
    command = [*workshop.command("gpt2", "fp8-delayed"), *options, "--out", resumed]
    choose, kills = random.Random(1), 0
    while not (resumed / f"checkpoints/step-{STEPS:06}").exists():
        began = count_lines(resumed / "metrics.jsonl")
        process = start("fp8c-run", *command)
        if kills < 8:
            wanted = began + choose.randint(0, 3)
            while process.poll() is None and count_lines(resumed / "metrics.jsonl") < wanted:
                time.sleep(0.0005)
            time.sleep(choose.uniform(0, 0.01))
            kills += process.poll() is None
            process.kill()
        _, errors = process.communicate()
        assert process.returncode in (-9, 0), errors
        if (resumed / "config.json").exists():
            command = ["train", "--resume", resumed]
    assert kills >= 3
    assert metrics(whole) == metrics(resumed)
    assert weights(whole) == weights(resumed)


# ------------------------------------------------------------------------------
# Gradient accumulation
# ------------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_one_micro_batch_takes_no_sum(workshop, tmp_path, family):
    """In f32 a sum of one term is the term: in both families the same bits, where the head
    shares its table with the embedding (gpt2) and where it does not."""
    workshop.program(family, "f32")  # makes the model
    program = tmp_path / "one.fp8x"
    options = ["--recipe", "f32", "--batch", BATCH, "--micro-batches", 1, "--host-opt", 1]
    run("fp8c", "compile", workshop.folder / f"{family}.onnx", *options, "-o", program)
    command = workshop.command(family, "f32")
    command[1] = program
    run("fp8c-run", *command, "--out", tmp_path / "run")
    assert metrics(workshop.run(family, "f32")) == metrics(tmp_path / "run")
    assert weights(workshop.run(family, "f32")) == weights(tmp_path / "run")


@pytest.mark.parametrize("recipe", ["f32", "bf16"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_step_starts_with_its_first_micro_batch(workshop, tmp_path, family, recipe):
    """What the gradient variables held before an update is gone after it: NaN, and
    the sum of another step. A learning rate of 0 keeps the parameters."""
    rng = np.random.default_rng(0)
    batch = {name: rng.integers(0, VOCAB, (BATCH, SEQ)) for name in ("tokens", "targets")}
    program = workshop.program(family, recipe)
    gradients = stored_names(program, "gradient")
    state = {name: np.full_like(value, np.nan) for name, value in call(program, "micro", batch, folder=tmp_path).items() if name in gradients}
    run = lambda functions, given: call(program, functions, given, "--hyper", "lr=0,weight_decay=0", folder=tmp_path)
    once, twice = run("micro", batch), run("micro,micro", batch)
    anew = [run("micro,micro,update,micro", batch), run("update,micro", {**batch, **state})]
    for name in gradients:
        assert once[name].any()
        assert not np.array_equal(once[name], twice[name])
        for other in anew:
            assert once[name].tobytes() == other[name].tobytes(), name


@pytest.mark.parametrize("family", FAMILIES)
def test_two_micro_batches_are_one_batch_of_both(workshop, tmp_path, family):
    """In f32. The loss is a mean over sequences, so half the gradient of each
    half is the whole gradient. The two programs add the same N = batch * seq
    contributions of tokens in another order, each of which went through the
    same D = 12 * LAYERS + 12 roundings, one after another on its way forward and
    back, up to sums over the width. As independent roundings they grow with the
    square root, and what they are relative to is the contributions' size, which
    the gradient's own, in the root of the mean square, is a fraction of:
    contributions cancel, to 1 / sqrt(N) where they are random. So
    |difference| <= u * sqrt(D + N) * sqrt(N) * rms(gradient), five times."""
    rng = np.random.default_rng(0)
    batch = {name: rng.integers(0, VOCAB, (2 * BATCH, SEQ)) for name in ("tokens", "targets")}
    halves = [{n: v[:BATCH] for n, v in batch.items()}, {n: v[BATCH:] for n, v in batch.items()}]
    small = workshop.program(family, "f32")
    large = workshop.program(family, "f32", 2 * BATCH)

    whole = call(large, "micro", batch, folder=tmp_path)
    first = call(small, "micro", halves[0], "--hyper", "grad_scale=0.5", folder=tmp_path)
    state = {name: first[name] for name in stored_names(small, "parameter", "gradient")}
    second = call(small, "micro", {**halves[1], **state}, "--hyper", "grad_scale=0.5", folder=tmp_path)

    u, count, depth = 2.0**-24, 2 * BATCH * SEQ, 12 * LAYERS + 12
    assert abs((first["loss"] + second["loss"]) / 2 - whole["loss"]) <= u * np.sqrt(count + depth) * whole["loss"]
    for name in stored_names(small, "gradient"):
        size = np.sqrt(np.mean(whole[name].astype(np.float64) ** 2))
        difference = np.abs(second[name] - whole[name]).max()
        assert size > 0
        assert difference <= 5 * u * np.sqrt((depth + count) * count) * size, name
        assert not np.array_equal(first[name], second[name])
