"""What fp8c makes of the models that it writes: logits, and a few steps of training.

The weights stand in external data, so that the programs' first weights come from there.
"""

import json
import pathlib
import sys

import numpy as np
import pytest

import forward

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
from support import call, compile_model, run, stored_names

LAYERS, WIDTH, HEADS, VOCAB, SEQ, BATCH = 2, 32, 4, 64, 16, 2
SIZES = ["--layers", LAYERS, "--d-model", WIDTH, "--heads", HEADS, "--vocab", VOCAB, "--seq", SEQ]
MODELS = {  # heads of 12 are wider than 32 / 4
    "qwen": (["--kv-heads", 2, "--head-dim", 12], lambda p, t: forward.llama(p, t, LAYERS, HEADS, 2, 1e6, 1e-6)),
    "gpt2": (["--mlp", "swiglu"], lambda p, t: forward.gpt(p, t, LAYERS, HEADS)),
}


@pytest.fixture(scope="module", params=MODELS)
def model(request, tmp_path_factory):
    path = tmp_path_factory.mktemp(request.param) / "m.onnx"
    run("fp8c", "model", request.param, *SIZES, *MODELS[request.param][0], "--external-data", "-o", path)
    return request.param, path


def test_logits_are_those_of_a_numpy_model(model, tmp_path):
    family, path = model
    program = compile_model(path, tmp_path / "m.fp8x", "--recipe", "f32", "--batch", BATCH)
    rng = np.random.default_rng(2)
    tokens = rng.integers(0, VOCAB, (BATCH, SEQ))
    names = stored_names(program, "parameter")
    shapes = {name: value.shape for name, value in call(program, "forward", {"tokens": tokens}, folder=tmp_path).items() if name in names}
    # As first drawn, weights hardly leave the embedding.
    parameters = {name: rng.normal(0, 0.4, shape).astype(np.float32) for name, shape in shapes.items()}
    found = call(program, "forward", {"tokens": tokens, **parameters}, folder=tmp_path)["logits"]
    expected = MODELS[family][1]({name: value.astype(np.float64) for name, value in parameters.items()}, tokens)
    assert expected.std() > 0.4
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_fp8_training_starts_at_chance_and_learns(model, tmp_path):
    _, path = model
    program = compile_model(path, tmp_path / "m.fp8x", "--recipe", "fp8-delayed", "--batch", BATCH)
    # Tokens that follow from the one before.
    np.cumsum(np.random.default_rng(0).choice([1, 3], 4000)).astype("<u2").__mod__(VOCAB).tofile(tmp_path / "t.bin")
    run(
        "fp8c-run", "train", program, "--data", tmp_path / "t.bin", "--steps", 40, "--lr", 1e-2, "--warmup", 4,
        "--seed", 1, "--out", tmp_path / "run",
    )  # fmt: skip
    lines = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    losses = [line["loss"] for line in lines if "loss" in line]
    assert abs(losses[0] - np.log(VOCAB)) < 0.1
    assert losses[-1] < losses[0] - 1
