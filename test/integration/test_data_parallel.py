"""Several processes train what one trains with all of their sequences in one batch.

Losses alone would hide a wrong factor: AdamW divides it out again. First moments after one
step are (1 - beta1) times the gradients.
"""

import functools
import json
import os
import random
import signal
import time

import numpy as np
import pytest

from support import compile_model, read_safetensors, run, start

ROWS, STEPS = 2, 10
MODELS = {
    "gpt2": ["gpt2", "--layers", 2, "--d-model", 32, "--heads", 2, "--vocab", 61, "--seq", 24],
    "llama": ["llama", "--layers", 1, "--d-model", 48, "--heads", 3, "--kv-heads", 1, "--vocab", 300, "--seq", 7],
}
VOCAB = {"gpt2": 61, "llama": 300}


class Workshop:
    """Programs and runs, each made once."""

    def __init__(self, folder):
        self.folder = folder
        self.program, self.run = functools.cache(self.make_program), functools.cache(self.make_run)

    def data(self, model):
        path = self.folder / f"{model}.bin"
        if not path.exists():
            walk = np.random.default_rng(1).integers(-3, 4, 20_000).cumsum()
            np.mod(walk, VOCAB[model]).astype("<u2").tofile(path)
        return path

    def make_program(self, model, recipe, dp, rows):
        onnx = self.folder / f"{model}.onnx"
        if not onnx.exists():
            run("fp8c", "model", *MODELS[model], "-o", onnx)
        parallel = ["--parallel", f"dp={dp}"] if dp > 1 else []
        program = self.folder / f"{model}-{recipe}-{dp}-{rows}.fp8x"
        return compile_model(onnx, program, "--recipe", recipe, "--batch", rows, *parallel)

    def make_run(self, model, recipe, dp, accumulate, rows=ROWS, steps=STEPS):
        out = self.folder / f"{model}-{recipe}-{dp}-{rows}-{accumulate}"
        processes = ["--nproc", dp] if dp > 1 else []
        program = self.program(model, recipe, dp, rows)
        options = ["--accumulate", accumulate, "--steps", steps, "--warmup", 0, "--lr", 3e-3, "--clip", 0]
        run("fp8c-run", "train", program, *processes, "--data", self.data(model), *options,
            "--checkpoint-every", 1, "--keep", 0, "--out", out)  # fmt: skip
        return out


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    return Workshop(tmp_path_factory.mktemp("parallel"))


def metrics(out):
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


def state(out, step):
    file = out / f"checkpoints/step-{step:06}/model.safetensors"
    return read_safetensors(file)


@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("dp", [2, 3, 4])
@pytest.mark.parametrize("model", MODELS)
def test_gradients_are_those_of_the_joint_batch(workshop, model, dp, accumulate):
    several = workshop.run(model, "f32", dp, accumulate)
    one = workshop.run(model, "f32", 1, accumulate, ROWS * dp)
    for name, expected in state(one, 1).items():
        if name.endswith(".m"):
            found = state(several, 1)[name]
            assert np.linalg.norm(found - expected) <= 2e-6 * np.linalg.norm(expected), name
    for found, expected in zip(metrics(several), metrics(one), strict=True):
        assert found["loss"] == pytest.approx(expected["loss"], abs=1e-5)
        assert found["grad_norm"] == pytest.approx(expected["grad_norm"], rel=1e-5)
