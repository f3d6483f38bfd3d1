"""Token files, evaluation over them, and what is wrong with some of them."""

import math
import re
import subprocess

import numpy as np
import pytest

from conftest import BIGRAM, BIN, bigram_loss, metrics, read_safetensors


def llmc(tokens):
    header = np.zeros(256, "<i4")
    header[:3] = 20240520, 1, len(tokens)
    return header.tobytes() + tokens.tobytes()


def test_llmc_header_changes_nothing(tool):
    tokens = np.fromfile(tool.folder / "train.bin", "<u2")
    (tool.folder / "llmc.bin").write_bytes(llmc(tokens))
    tool.train("--steps", 3, "--out", "plain")
    out = tool("train", BIGRAM, "--data", "llmc.bin", "--lr", "0.05",
               "--warmup", "2", "--schedule", "constant", "--steps", 3)
    assert "llm.c header" in out
    assert metrics(tool.folder / "run") == metrics(tool.folder / "plain")


def evaluate(tool, *arguments):
    out = tool("eval", *arguments)
    loss = float(re.search(r"loss +(\S+)", out)[1])
    perplexity = float(re.search(r"perplexity +(\S+)", out)[1])
    assert math.isclose(perplexity, math.exp(loss), rel_tol=1e-5)
    return loss


@pytest.mark.parametrize("size", [2, 33, 50, 1000])
def test_eval_is_the_mean_over_the_whole_file(tool, size):
    tokens = np.fromfile(tool.folder / "val.bin", "<u2")[:size]
    tokens.tofile(tool.folder / "part.bin")
    tool.train("--steps", 20)
    weights = tool.folder / "run/checkpoints/step-000020"
    table = read_safetensors(weights / "model.safetensors")["table"]
    expected = bigram_loss(table, tokens[:-1], tokens[1:].astype(int))
    for model in "run", weights:
        assert evaluate(tool, model, "--data", "part.bin") == pytest.approx(
            expected, abs=2e-6)


def test_eval_of_a_program_and_of_some_batches(tool):
    assert evaluate(tool, BIGRAM, "--data", "val.bin") == pytest.approx(
        math.log(256), abs=0.01)
    some = evaluate(tool, BIGRAM, "--data", "val.bin", "--batches", 3)
    assert some == evaluate(tool, BIGRAM, "--data", "val.bin", "--batches", 3)
    assert "there is no data" in tool.fails("eval", BIGRAM)


def test_eval_uses_the_validation_data_of_the_run(tool):
    tool.train("--steps", 4, "--val", "val.bin", "--eval-batches", 0)
    assert evaluate(tool, "run") == pytest.approx(
        metrics(tool.folder / "run")[-1]["val_loss"], abs=1e-6)


def test_bad_data(tool):
    def expect(message, data, *more):
        (tool.folder / "bad.bin").write_bytes(data)
        shown = tool.fails("train", BIGRAM, "--data", "bad.bin", "--steps", 1)
        assert message in shown and "bad.bin" in shown and "hint: " in shown
        assert not (tool.folder / "run").exists()

    expect("has no tokens", b"")
    expect("odd number of bytes", b"abc")
    expect("has 32 tokens, too few for one batch of 4 x 8", bytes(64))
    tokens = np.zeros(5000, "<u2")
    tokens[4321] = 300
    expect("token 300 at position 4,321 is outside the model's vocabulary of "
           "256", tokens.tobytes())
    expect("token 300 at position 4,321", llmc(tokens))
    expect("cut short", llmc(tokens)[:-2])
    message = tool.fails("train", BIGRAM, "--data", "none.bin", "--steps", 1)
    assert "cannot read: No such file or directory" in message


def prepare(tool, text, *arguments):
    (tool.folder / "text").write_bytes(text)
    return subprocess.run(
        [BIN / "prepare-data", "text", *map(str, arguments)], cwd=tool.folder,
        capture_output=True, text=True)


def test_prepared_data_carries_its_tokenizer(tool):
    assert prepare(tool, b"to be or not " * 100, "bytes", "x").returncode == 0
    tool("train", BIGRAM, "--data", "x.train.bin", "--val", "x.val.bin",
         "--steps", 2)
    assert '"tokenizer": "bytes"' in (tool.folder / "run/config.json").read_text()


def test_bpe_equals_tiktoken(tool):
    tiktoken = pytest.importorskip("tiktoken")
    load = pytest.importorskip("tiktoken.load")
    import os
    folder = os.environ.get("FP8C_GPT2_BPE")
    if not folder:
        pytest.skip("FP8C_GPT2_BPE is not set")
    encoding = tiktoken.Encoding(
        "gpt2",
        pat_str=r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++"""
                r"""| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s""",
        mergeable_ranks=load.data_gym_to_mergeable_bpe_ranks(
            vocab_bpe_file=f"{folder}/vocab.bpe",
            encoder_json_file=f"{folder}/encoder.json"),
        special_tokens={"<|endoftext|>": 50256})
    characters = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    rng = np.random.default_rng(0)
    pieces = ["'", "s", "ll", "re", "S", " ", "  ", "\n", "\t", "\u00a0", "\r\n",
              "é", "日", "१", "Ⅷ", "😀", "-", "1", "23", "a", "Hello", "\0",
              "\u200b", "e\u0301", "\u3000"]
    texts = [
        "".join(characters),
        "".join(f"a{c}1{c} {c}\n{c}" for c in characters[::5]),
        "".join(rng.choice(pieces, 200000)),
        "a" * 50000 + " " * 50000 + "-" * 49999 + "\n" * 1000 + "x",
        "end  ", "'", " '", "hi \n",
    ]
    for text in texts:
        done = prepare(tool, text.encode(), folder, "x", 0)
        assert done.returncode == 0, done.stderr
        actual = np.fromfile(tool.folder / "x.train.bin", "<u2")
        np.testing.assert_array_equal(actual, encoding.encode_ordinary(text))
