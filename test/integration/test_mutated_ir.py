"""IR with small mistakes is refused by an error, or compiled: at every stage of six
programs 25 mutants go through all later passes. Six of those that are accepted are run: what
belongs together is not mixed up in silence. scripts/mutate-ir does more of both."""

import os
import subprocess

import pytest

from support import BIN, ROOT


def mutate(folder, *arguments):
    return subprocess.run(
        [ROOT / "scripts/mutate-ir", *arguments],
        env={**os.environ, "FP8C_BIN": str(BIN), "FP8C_MUTANTS": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )


@pytest.mark.parametrize("stage", ("train", "grad", "fp8", "fusion", "exec"))
def test_mutants_are_refused_or_compiled(tmp_path, stage):
    done = mutate(tmp_path, "150", "1", stage)
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("25 mutants") == done.stdout.count(" 0 findings") == 6, done.stdout


def test_mutants_compute_what_they_say(tmp_path):
    done = mutate(tmp_path, "--run", "6", "1", "fp8")
    assert done.returncode == 0, done.stdout
    assert "6 mutants built and run, 0 findings" in done.stdout, done.stdout
