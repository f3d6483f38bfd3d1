"""Labels: of a file, that do not count, and what a step makes of them."""

import json
import re

import numpy as np
import pytest

from conftest import (BATCH, BIGRAM, SEQ, VOCAB, metrics, read_safetensors,
                      write_safetensors)

# One step that changes nothing: the first moment is half of the gradient.
STEP = ["--steps", 1, "--lr", 0, "--weight-decay", 0, "--clip", 0,
        "--beta1", 0.5]


def set_role(role, **members):
    """Gives the bigram's labels a role, as compilers do."""
    def change(manifest):
        for function in manifest["functions"].values():
            for tensor in function["inputs"]:
                if tensor["name"] == "targets":
                    tensor.update(role=role, **members)
    return change


class Step:
    """First steps on a file in which no token occurs twice: what the rows of
    the gradient are tells which windows were drawn."""

    def __init__(self, tool, accumulate):
        self.tool, self.accumulate = tool, accumulate
        rng = np.random.default_rng(0)
        self.tokens = rng.permutation(VOCAB)[:200]
        self.tokens.astype("<u2").tofile(tool.folder / "unique.bin")
        self.classes = rng.integers(0, VOCAB, 200)
        tool("call", BIGRAM, "init", "--outputs", "init.safetensors")
        self.table = read_safetensors(tool.folder / "init.safetensors")["table"]
        logits = self.table.astype(np.float64)
        self.softmax = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
        gradient = self.run("all", self.classes)[1]
        # Of each place that has a next one how often it was drawn.
        at = self.tokens[:-1], self.classes[1:]
        share = gradient[at] / (self.softmax[at] - 1)
        self.drawn = np.rint(share * accumulate * BATCH * SEQ).astype(int)
        assert self.drawn.sum() == accumulate * BATCH * SEQ

    def run(self, out, labels):
        """Metrics and the gradient of a step with these labels."""
        labels.astype("<i4").tofile(self.tool.folder / "labels.bin")
        self.tool("train", BIGRAM, "--data", "unique.bin", "--labels",
                  "labels.bin", "--accumulate", self.accumulate, *STEP,
                  "--out", out)
        [line] = metrics(self.tool.folder / out)
        self.after = read_safetensors(
            self.tool.folder / out / "checkpoints/step-000001/model.safetensors")
        return line, 2 * self.after["table.moment1"]

    def label(self, places):
        """Labels of what follows these places, and of nothing else."""
        labels = np.full(200, -100)
        labels[places + 1] = self.classes[places + 1]
        return labels

    def expected(self, places):
        """Loss and gradient: sums over all micro-batches by their number."""
        weights = np.zeros(200)
        weights[places] = self.drawn[places]
        weights /= weights.sum()
        loss, gradient = 0, np.zeros((VOCAB, VOCAB))
        for place in places:
            row, label = self.tokens[place], self.classes[place + 1]
            loss -= weights[place] * np.log(self.softmax[row, label])
            gradient[row] += weights[place] * self.softmax[row]
            gradient[row, label] -= weights[place]
        return loss, gradient


@pytest.mark.parametrize("accumulate", [1, 3])
def test_a_step_is_the_mean_over_the_labels_that_count(tool, accumulate):
    step = Step(tool, accumulate)
    rng = np.random.default_rng(1)
    seen = np.flatnonzero(step.drawn)
    for count in 1, 7, len(seen):
        places = np.sort(rng.choice(seen, count, replace=False))
        line, found = step.run(f"{count}", step.label(places))
        loss, gradient = step.expected(places)
        assert line["loss"] == pytest.approx(loss, rel=1e-5)
        assert line["grad_norm"] == pytest.approx(np.linalg.norm(gradient),
                                                  rel=1e-4)
        np.testing.assert_allclose(found, gradient, rtol=1e-3, atol=1e-7)
        assert "skipped" not in line


@pytest.mark.parametrize("accumulate", [1, 3])
def test_a_step_without_labels_is_skipped(tool, accumulate):
    step = Step(tool, accumulate)
    unseen = np.flatnonzero(step.drawn == 0)[:3]
    line, moment = step.run("none", step.label(unseen))
    assert (line["loss"], line["grad_norm"], line["skipped"]) == (None, None, 1)
    assert not moment.any()
    np.testing.assert_array_equal(step.after["table"], step.table)


def loss_in(text):
    return float(re.search(r"loss +(\S+) nats", text)[1])


def losses(table, tokens, labels):
    """The mean loss over the labels that count."""
    logits = table.astype(np.float64)[tokens]
    each = np.log(np.exp(logits).sum(-1)) - np.take_along_axis(
        logits, np.maximum(labels, 0)[:, None], 1)[:, 0]
    return each[labels >= 0].mean()


@pytest.mark.parametrize("role, shift", [("labels_next", 1), ("labels", 0)])
def test_eval_counts_labels_once(tool, program, role, shift):
    copy = program(set_role(role, ids=VOCAB))
    rng = np.random.default_rng(0)
    for size in 45, 96, 97:
        tokens = rng.integers(0, VOCAB, size)
        labels = rng.integers(-2, VOCAB, size)
        labels[rng.choice(size, size // 2, replace=False)] = -100
        labels[40:] = -100  # whole batches without any
        tokens.astype("<u2").tofile(tool.folder / "t.bin")
        labels.astype("<i4").tofile(tool.folder / "l.bin")
        tool("call", copy, "init", "--outputs", "out.safetensors")
        table = read_safetensors(tool.folder / "out.safetensors")["table"]
        out = tool("eval", copy, "--data", "t.bin", "--labels", "l.bin")
        expected = losses(table, tokens[:size - shift], labels[shift:])
        assert loss_in(out) == pytest.approx(expected, abs=2e-6)
        counted = (labels[shift:] >= 0).sum()
        assert any(line.split() == ["tokens", str(counted)]
                   for line in out.splitlines()), out


def test_what_pads_is_no_label(tool, program):
    copy = program(lambda manifest: manifest["model"].update(pad=7))
    tokens = np.random.default_rng(0).integers(0, 12, 90)
    tokens.astype("<u2").tofile(tool.folder / "t.bin")
    tool("call", copy, "init", "--outputs", "out.safetensors")
    table = read_safetensors(tool.folder / "out.safetensors")["table"]
    labels = np.where(tokens[1:] == 7, -100, tokens[1:])
    out = tool("eval", copy, "--data", "t.bin")
    assert loss_in(out) == pytest.approx(losses(table, tokens[:-1], labels),
                                         abs=2e-6)
    tool("train", copy, "--data", "t.bin", "--steps", 2, "--accumulate", 2)


def test_labels_go_with_the_run(tool, program):
    """Of an encoder, whose labels are a function of the token at their place."""
    copy = program(set_role("labels", ids=VOCAB))
    for name in "train", "val":
        tokens = np.fromfile(tool.folder / f"{name}.bin", "<u2").astype(int)
        ((tokens * 5 + 3) % VOCAB).astype("<i4").tofile(
            tool.folder / f"{name}.labels")
    shown = tool("train", copy, "--data", "train.bin", "--labels",
                 "train.labels", "--val", "val.bin", "--val-labels",
                 "val.labels", "--lr", 0.5, "--steps", 60, "--eval-every", 30,
                 "--accumulate", 8, "--warmup", 0)
    assert "train.labels, of which 18,000 count" in shown
    last = metrics(tool.folder / "run")[-1]
    assert last["loss"] < 0.2 and last["val_loss"] < 0.2
    # The run knows its labels.
    assert loss_in(tool("eval", "run")) == pytest.approx(last["val_loss"],
                                                         abs=2e-6)
    config = json.loads((tool.folder / "run/config.json").read_text())
    assert config["labels"].endswith("train.labels")
    tool("train", "--resume", "run", "--steps", 62)
    changed = np.fromfile(tool.folder / "train.labels", "<i4")
    changed[17] = -100
    changed.tofile(tool.folder / "train.labels")
    message = tool.fails("train", "--resume", "run", "--steps", 64)
    assert "the labels have changed since the run began" in message


def test_wrong_labels(tool, program):
    def expect(message, *arguments, of=BIGRAM):
        shown = tool.fails("train", of, "--data", "train.bin", "--steps", 1,
                           *arguments)
        assert message in shown and not (tool.folder / "run").exists(), shown

    labels = np.zeros(18000, "<i4")
    labels[:17999].tofile(tool.folder / "short")
    expect("has 71,996 bytes, but the 18,000 tokens of", "--labels", "short")
    expect("cannot read: No such file", "--labels", "none")
    labels[9] = VOCAB
    labels.tofile(tool.folder / "large")
    expect("label 256 at position 9 is none of the model's 256 classes",
           "--labels", "large")
    np.full(18000, -100, "<i4").tofile(tool.folder / "negative")
    expect("none of the labels counts", "--labels", "negative")
    expect("--val-labels are the labels of --val", "--val-labels", "large")
    expect("the program's labels are no tokens: they need a file",
           of=program(set_role("labels", ids=VOCAB)))


def test_what_no_file_can_give(tool, program):
    """Neither tokens nor labels: losses and gradients come through call."""
    def expect(message, change):
        shown = tool.fails("train", program(change), "--data", "train.bin",
                           "--steps", 1)
        assert message in shown and "hint: losses and gradients" in shown, shown

    def rename(manifest):
        for function in manifest["functions"].values():
            for tensor in function["inputs"]:
                tensor["name"] = "given_" + tensor["name"]

    expect('micro takes "given_tokens", which is neither tokens nor labels',
           rename)
    expect("micro takes no tokens, which are what training data has",
           lambda m: m["functions"]["micro"].update(inputs=[]))
    expect('micro takes "targets" besides other tokens', set_role("tokens"))


@pytest.mark.parametrize("role, bad", [
    ("tokens", (200, 1 << 40, -201)), (None, (200, 1 << 40, -201)),
    ("labels", (200, 1 << 40))])
def test_calls_take_no_ids_that_there_are_not(tool, program, role, bad):
    """Whatever the input is called."""
    def rename(manifest):
        for tensor in manifest["functions"]["infer"]["inputs"]:
            tensor.update({"role": role} if role else {}, name="x", ids=200)
        manifest["model"].update(vocab=200)

    copy = program(rename)
    ids = np.full((1, SEQ), 199)
    write_safetensors(tool.folder / "in", {"x": ids})
    tool("call", copy, "infer", "--inputs", "in", "--outputs", "out")
    for value in bad:
        ids[0, 5] = value
        write_safetensors(tool.folder / "in", {"x": ids})
        shown = tool.fails("call", copy, "infer", "--inputs", "in", "--outputs",
                           "refused")
        what = "the loss 200 classes" if role == "labels" else "200 tokens"
        assert f'"x" has {value}, and' in shown and what in shown, shown
