"""Fixtures of the end-to-end tests."""

import numpy as np
import pytest

from support import run


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """The smallest GPT-2: an ONNX file without weights, batch still open."""
    path = tmp_path_factory.mktemp("tiny") / "tiny.onnx"
    sizes = "--layers 1 --d-model 16 --heads 2 --vocab 32 --seq 8".split()
    run("fp8c", "model", "gpt2", *sizes, "--no-weights", "-o", path)
    return path


@pytest.fixture(scope="session")
def tiny_program(tiny, tmp_path_factory):
    program = tmp_path_factory.mktemp("tiny") / "tiny.fp8x"
    run("fp8c", "compile", tiny, "--recipe", "f32", "--batch", 2, "--host-opt", 0, "-o", program)
    return program


@pytest.fixture
def tokens(tmp_path):
    """A way to write token files."""

    def write(values, name="tokens.bin"):
        path = tmp_path / name
        np.asarray(values, "<u2").tofile(path)
        return path

    return write
