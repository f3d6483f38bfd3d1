"""fp8c-run call, sample and info; programs that are not what they should be."""

import math

import numpy as np
import pytest

from conftest import (BATCH, BIGRAM, SEQ, VOCAB, bigram_loss, read_safetensors,
                      write_safetensors)


def batch(rng):
    return {name: rng.integers(0, VOCAB, (BATCH, SEQ))
            for name in ("tokens", "targets")}


def call(tool, *arguments, program=BIGRAM):
    tool("call", program, *arguments, "--outputs", "out.safetensors")
    return read_safetensors(tool.folder / "out.safetensors")


def test_gradients_are_those_of_the_loss(tool):
    rng = np.random.default_rng(0)
    inputs = batch(rng)
    inputs["targets"][0, :3] = -100
    table = rng.normal(size=(VOCAB, VOCAB)).astype(np.float32)
    write_safetensors(tool.folder / "in.safetensors",
                      {**inputs, "table": table})
    out = call(tool, "micro", "--inputs", "in.safetensors")
    loss = bigram_loss(table, **inputs)
    assert out["loss"] == pytest.approx(loss, rel=1e-6)
    np.testing.assert_array_equal(out["table"], table)
    for _ in range(10):  # finite differences
        at = rng.choice(inputs["tokens"].ravel()), rng.integers(VOCAB)
        nudged = table.astype(np.float64)
        nudged[at] += 1e-4
        slope = (bigram_loss(nudged, **inputs) - loss) / 1e-4
        assert out["table.gradient"][at] == pytest.approx(slope, abs=1e-5)


def test_sequences_and_hyperparameters(tool):
    write_safetensors(tool.folder / "in.safetensors",
                      batch(np.random.default_rng(0)))
    start = call(tool, "init")
    out = call(tool, "calibrate,micro,update", "--inputs", "in.safetensors",
               "--hyper", "lr=0.5,weight_decay=0")
    assert out["calibrations"][0] == 1
    assert out["grad_norm"] > 0
    step = np.abs(out["table"] - start["table"]).max()
    assert step == pytest.approx(0.5, rel=1e-3)  # AdamW's first step is lr


def test_gradients_sum_up_from_one_update_to_the_next(tool):
    write_safetensors(tool.folder / "in.safetensors",
                      batch(np.random.default_rng(0)))

    def gradient(functions):
        out = call(tool, functions, "--inputs", "in.safetensors", "--hyper",
                   "lr=0,weight_decay=0")
        return out["table.gradient"]

    once = gradient("micro")
    assert once.any()
    np.testing.assert_allclose(gradient("micro,micro"), 2 * once, rtol=1e-6)
    np.testing.assert_array_equal(gradient("micro,micro,update,micro"), once)


def test_initial_values_depend_on_seed_and_name_only(tool, program):
    def swap(manifest):
        variables = manifest["variables"]
        table, moment = variables[0], variables[2]
        table["offset"], moment["offset"] = moment["offset"], table["offset"]
        variables.reverse()

    table = call(tool, "init")["table"]
    assert abs(table.mean()) < 1e-3 and table.std() == pytest.approx(
        0.02, rel=0.02)
    swapped = call(tool, "init", program=program(swap))["table"]
    np.testing.assert_array_equal(table, swapped)
    other = call(tool, "init", "--seed", 5)["table"]
    assert (table != other).mean() > 0.99


def test_initial_values_from_a_file(tool, program):
    table = np.random.default_rng(0).normal(size=(VOCAB, VOCAB)).astype("<f4")

    def use_file(manifest):
        manifest["variables"][0]["init"] = {
            "kind": "file", "offset": 64, "bytes": table.nbytes}

    copy = program(use_file)
    assert "initial.bin" in tool.fails(
        "call", copy, "init", "--outputs", "out.safetensors")
    assert "initial.bin" in tool.fails(
        "train", copy, "--data", "train.bin", "--steps", 1)
    assert not (tool.folder / "run").exists()
    (copy / "initial.bin").write_bytes(bytes(64) + table.tobytes())
    np.testing.assert_array_equal(call(tool, "init", program=copy)["table"],
                                  table)
    (copy / "initial.bin").write_bytes(table.tobytes())
    assert 'too short for variable "table"' in tool.fails(
        "call", copy, "init", "--outputs", "out.safetensors")


def test_wrong_calls(tool):
    def expect(message, *arguments):
        shown = tool.fails("call", BIGRAM, *arguments, "--outputs", "o")
        assert message in shown
        assert not (tool.folder / "o").exists()

    expect('no function "nonsense"', "nonsense")
    expect("hint: it has: calibrate, eval, infer", "nonsense")
    expect('micro needs the input "tokens", 4x8 i64', "micro")
    write_safetensors(tool.folder / "in", {"tokens": np.zeros((4, 9), "int64")})
    expect('"tokens" is 4x9 i64, the program has 4x8 i64', "micro", "--inputs",
           "in")
    write_safetensors(tool.folder / "in", {"tabel": np.zeros(3, "float32")})
    expect('"tabel" is neither a variable nor an input', "init", "--inputs",
           "in")
    expect('no hyperparameter "momentum"', "init", "--hyper", "momentum=1")
    expect("expected NAME=VALUE", "init", "--hyper", "lr")
    expect("expected NAME=VALUE", "init", "--hyper", "lr=x")


def test_wrong_programs(tool, program):
    def expect(message, change):
        shown = tool.fails("call", program(change), "init", "--outputs", "o")
        assert message in shown and "hint: " in shown

    expect("does not export fp8c_extra",
           lambda m: m["functions"].update(
               extra={"inputs": [], "outputs": []}))
    expect('target: is "tpu"', lambda m: m.update(target="tpu"))
    expect("not enough memory for variables",
           lambda m: m.update(variables_bytes=1 << 60))
    expect("format: is 9", lambda m: m.update(format=9))
    (tool.folder / "copy.fp8x/program.so").write_text("nonsense")
    expect("cannot load", lambda m: None)
    assert "no such program" in tool.fails("info", "none.fp8x")
    assert "not a compiled program" in tool.fails("info", ".")


def test_sample(tool):
    tool.train("--steps", 300, "--accumulate", 4)
    arguments = ["sample", "run", "--prompt", "A", "--tokens", 30]
    greedy = tool(*arguments, "--temperature", 0)
    assert greedy == tool(*arguments, "--temperature", 0, "--seed", 2)
    assert greedy == tool(*arguments, "--top-k", 1)
    assert greedy.startswith("A")


def test_sample_is_reproducible(tool, program):
    # Only letters can follow: the output is text.
    table = np.full((VOCAB, VOCAB), -1e9, "<f4")
    table[:, ord("a"):ord("z") + 1] = 0

    def use_file(manifest):
        manifest["variables"][0]["init"] = {
            "kind": "file", "offset": 0, "bytes": table.nbytes}

    copy = program(use_file)
    (copy / "initial.bin").write_bytes(table.tobytes())

    def sample(seed):
        text, note = tool("sample", copy, "--prompt", "x", "--tokens", 400,
                          "--seed", seed).split("note: ")
        assert "the program has no checksums" in note
        return text

    first = sample(1)
    assert len(first) == 402 and first.strip().isalpha()
    assert len(set(first)) > 20
    assert first == sample(1)
    assert first != sample(2)
    assert "the prompt is empty" in tool.fails("sample", copy, "--prompt", "")


def test_unknown_hyperparameters(tool, program):
    copy = program(lambda manifest: manifest["hyper"].append("momentum"))
    message = tool.fails("train", copy, "--data", "train.bin", "--steps", 1)
    assert 'hyperparameter "momentum" that this runtime does not know' in message


def test_info(tool):
    out = tool("info", BIGRAM)
    assert "bigram, 65,536 parameters, vocabulary 256" in out
    assert "@micro" in out and "-> (loss f32[])" in out
    tool.train("--steps", 3)
    assert "step 3" in tool("info", "run")
