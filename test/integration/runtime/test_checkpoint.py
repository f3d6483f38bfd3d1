"""Checkpoints: what they hold, which are kept, what a full disk does."""

import json
import os
import resource
import subprocess

import numpy as np
import pytest

from conftest import (BIGRAM, Tool, checkpoints, metrics, read_safetensors,
                      weights)


def test_contents(tool):
    tool.train("--steps", 3)
    folder = tool.folder / "run/checkpoints/step-000003"
    tensors = read_safetensors(folder / "model.safetensors")
    # No gradients; the scaling state comes along.
    assert sorted(tensors) == [
        "calibrations", "table", "table.moment1", "table.moment2"]
    np.testing.assert_array_equal(tensors["calibrations"], [1, 1, 0, 0])
    state = json.loads((folder / "state.json").read_text())
    assert state["step"] == 3
    assert state["fingerprint"] == "bigram-1"
    assert state["counters"] == {"skipped": 0, "skipped_in_a_row": 0}
    assert state["options"]["lr"] == 0.05


def test_safetensors_as_others_read_them(tool):
    library = pytest.importorskip("safetensors.numpy")
    tool.train("--steps", 3)
    path = tool.folder / "run/checkpoints/step-000003/model.safetensors"
    ours, theirs = read_safetensors(path), library.load_file(path)
    assert ours.keys() == theirs.keys()
    for name in ours:
        np.testing.assert_array_equal(ours[name], theirs[name])


def test_keeps_the_newest(tool):
    tool.train("--steps", 10, "--checkpoint-every", 3, "--keep", 2)
    assert checkpoints(tool.folder / "run") == ["step-000009", "step-000010"]
    tool.train("--steps", 4, "--checkpoint-every", 1, "--keep", 0, "--out", "all")
    assert len(checkpoints(tool.folder / "all")) == 4


def test_unfinished_ones_are_neither_used_nor_left(tool):
    tool.train("--steps", 4, "--checkpoint-every", 2)
    folder = tool.folder / "run/checkpoints"
    (folder / ".step-000006").mkdir()
    (folder / ".old-step-000001").mkdir()
    (folder / "step-000008").mkdir()  # not ours: nothing is in it
    out = tool("train", "--resume", "run", "--steps", 5)
    assert "resumed at step 4" in out
    assert checkpoints(tool.folder / "run") == [
        "step-000004", "step-000005", "step-000008"]


def test_damage_is_noticed(tool):
    tool.train("--steps", 2)
    path = tool.folder / "run/checkpoints/step-000002/model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    config = (tool.folder / "run/config.json").read_bytes()
    assert "does not fit the file" in tool.fails(
        "train", "--resume", "run", "--steps", 3)
    assert (tool.folder / "run/config.json").read_bytes() == config


def expect_intact(tool, run, before):
    assert checkpoints(run) == ["step-000002"]
    assert weights(run, 2) == before
    tool("train", "--resume", run, "--steps", 6)
    tool.train("--steps", 6, "--out", "whole")
    assert weights(run, 6) == weights(tool.folder / "whole", 6)
    assert metrics(run) == metrics(tool.folder / "whole")


def test_file_size_limit(tool):
    tool.train("--steps", 2)
    run = tool.folder / "run"
    before = weights(run, 2)
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (500000, 500000))
    message = tool.fails("train", "--resume", "run", "--steps", 6,
                         preexec_fn=limit)
    assert "cannot write: File too large" in message
    assert "hint: raise the file size limit" in message
    expect_intact(tool, run, before)


def test_full_disk(tool):
    disk = tool.folder / "disk"
    disk.mkdir()
    if os.geteuid() != 0 or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=1200k", "none", disk],
            stderr=subprocess.DEVNULL).returncode != 0:
        pytest.skip("cannot make a small disk here")
    try:
        run = disk / "run"
        tool.train("--steps", 2, "--out", run)
        before = weights(run, 2)
        message = tool.fails("train", "--resume", run, "--steps", 6)
        assert "cannot write: No space left on device" in message
        assert "hint: free some space" in message
        subprocess.run(["mount", "-o", "remount,size=8m", disk], check=True)
        expect_intact(tool, run, before)
    finally:
        subprocess.run(["umount", disk], check=True)
