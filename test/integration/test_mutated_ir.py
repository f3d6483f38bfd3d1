"""IR with small mistakes is refused by an error, or compiled: at every stage of four
programs 25 mutants go through all later passes. scripts/mutate-ir does more of them."""

import os
import subprocess

import pytest

from support import BIN, ROOT


@pytest.mark.parametrize("stage", ("train", "grad", "fp8", "fusion", "exec"))
def test_mutants_are_refused_or_compiled(tmp_path, stage):
    done = subprocess.run(
        [ROOT / "scripts/mutate-ir", "100", "1", stage],
        env={**os.environ, "FP8C_BIN": str(BIN), "FP8C_MUTANTS": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("25 mutants") == done.stdout.count(" 0 findings") == 4, done.stdout
