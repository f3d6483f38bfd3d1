"""What the tests of fp8c-run share: the tool, a hand-written program, data.

FP8C_BIN names the folder of the binaries (default: build/release/bin).
"""

import json
import os
import pathlib
import shutil
import subprocess

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).parents[3]
BIN = pathlib.Path(os.environ.get("FP8C_BIN", ROOT / "build/release/bin"))
BIGRAM = BIN / "bigram.fp8x"

VOCAB, BATCH, SEQ = 256, 4, 8


class Tool:
    """fp8c-run with a working folder of its own."""

    def __init__(self, folder):
        self.folder = folder

    def popen(self, *arguments, environment=None, **options):
        return subprocess.Popen(
            [BIN / "fp8c-run", *map(str, arguments)],
            cwd=self.folder, text=True, errors="replace",
            env={**os.environ, **(environment or {})},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)

    def __call__(self, *arguments, status=0, **options):
        """Runs a command and returns what it printed."""
        process = self.popen(*arguments, **options)
        out, err = process.communicate()
        assert process.returncode == status, out + err
        return out + err

    def fails(self, *arguments, **options):
        """Runs a command that has to fail as the tool's errors do."""
        message = self(*arguments, status=1, **options)
        assert "fp8c-run: error: " in message
        return message

    def train(self, *arguments, **options):
        """Trains the bigram model on train.bin."""
        defaults = ["--data", "train.bin", "--lr", "0.05", "--warmup", "2",
                    "--schedule", "constant"]
        return self("train", BIGRAM, *defaults, *arguments, **options)


def tool_in(folder):
    """The tool in a folder with data to train on."""
    rng = np.random.default_rng(0)
    # Every byte is followed by one of four: something to learn.
    text = np.empty(20000, "<u2")
    text[0] = 0
    for i, choice in enumerate(rng.integers(0, 4, len(text) - 1)):
        text[i + 1] = (text[i] * 7 + choice * 3 + 1) % VOCAB
    text[:18000].tofile(folder / "train.bin")
    text[18000:].tofile(folder / "val.bin")
    return Tool(folder)


@pytest.fixture
def tool(tmp_path):
    return tool_in(tmp_path)


@pytest.fixture
def program(tmp_path):
    """A way to get a copy of the bigram program with another manifest."""
    copy = tmp_path / "copy.fp8x"
    shutil.copytree(BIGRAM, copy)

    def edit(change):
        manifest = json.loads((BIGRAM / "manifest.json").read_text())
        change(manifest)
        (copy / "manifest.json").write_text(json.dumps(manifest))
        return copy

    return edit


def metrics(run):
    """The lines of metrics.jsonl without the times."""
    lines = [json.loads(line)
             for line in (run / "metrics.jsonl").read_text().splitlines()]
    for line in lines:
        del line["ms"], line["tokens_per_s"]
    return lines


def checkpoints(run):
    return sorted(path.name for path in (run / "checkpoints").iterdir())


def weights(run, step):
    return (run / f"checkpoints/step-{step:06}/model.safetensors").read_bytes()


def read_safetensors(path):
    """Our own few lines, so that no test trusts the code it tests."""
    data = pathlib.Path(path).read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + length])
    dtypes = {"F32": "<f4", "I64": "<i8"}
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        first, last = entry["data_offsets"]
        tensors[name] = np.frombuffer(
            data[8 + length + first:8 + length + last],
            dtypes[entry["dtype"]]).reshape(entry["shape"])
    return tensors


def write_safetensors(path, tensors):
    names = {"float32": "F32", "int64": "I64"}
    header, data = {}, b""
    for name, tensor in tensors.items():
        raw = np.ascontiguousarray(tensor).tobytes()
        header[name] = {"dtype": names[tensor.dtype.name],
                        "shape": list(tensor.shape),
                        "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    pathlib.Path(path).write_bytes(
        len(text).to_bytes(8, "little") + text + data)


def bigram_loss(table, tokens, targets):
    """Mean loss of the bigram model over the targets that count."""
    logits = table[tokens].astype(np.float64)
    logsumexp = np.log(np.exp(logits).sum(-1))
    chosen = np.take_along_axis(
        logits, np.maximum(targets, 0)[..., None], -1)[..., 0]
    return (logsumexp - chosen)[targets >= 0].mean()
