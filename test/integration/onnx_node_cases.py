"""The node tests of ONNX's backend test suite, as models that fp8c takes.

    FP8C_BIN=build/release/bin python test/integration/onnx_node_cases.py

lists those that the importer takes, in the form of onnx_node_tests.txt. That is
how the file was made; test_onnx_nodes.py compares the numbers.

The suite gives everything as an input of the graph, even shapes and axes, which
fp8c must know while it compiles. A "frozen" case has its inputs of integers and
booleans turned into initializers.
"""

import os
import pathlib
import subprocess
import tempfile
import warnings

import numpy as np
import onnx
from onnx import numpy_helper

ROOT = pathlib.Path(__file__).resolve().parents[2]
FP8C = pathlib.Path(os.environ.get("FP8C_BIN", ROOT / "build/release/bin")) / "fp8c"


class Case:
    """A model of one node, its inputs and outputs by name, and tolerances."""

    def __init__(self, test):
        self.name, self.rtol, self.atol = test.name, test.rtol, test.atol
        self.model = onnx.ModelProto()
        self.model.CopyFrom(test.model)
        inputs, outputs = test.data_sets[0]
        graph = self.model.graph
        self.inputs = dict(zip([i.name for i in graph.input], inputs))
        self.outputs = dict(zip([o.name for o in graph.output], outputs))

    def freeze(self):
        """Makes initializers of integer inputs. False if there are none."""
        graph = self.model.graph
        frozen = [n for n, v in self.inputs.items() if np.asarray(v).dtype.kind in "iub"]
        for name in frozen:
            value = np.asarray(self.inputs.pop(name))
            graph.initializer.append(numpy_helper.from_array(value, name))
            graph.input.remove(next(i for i in graph.input if i.name == name))
        return bool(frozen)


def load():
    """All cases by name. Takes half a minute: the suite computes them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from onnx.backend.test.case.node import collect_testcases

        tests = collect_testcases(None)
    # Sequences, optional values and strings have no arrays.
    return {
        test.name: Case(test)
        for test in tests
        if all(isinstance(v, np.ndarray) for values in test.data_sets[0] for v in values)
    }


def imports(case, folder):
    """Whether the importer takes the model; it must never do worse than fail."""
    path = pathlib.Path(folder) / "model.onnx"
    onnx.save(case.model, path)
    run = subprocess.run(
        [FP8C, "compile", path, "--emit=train", "--forward-only"],
        capture_output=True,
        text=True,
    )
    assert run.returncode in (0, 1), f"{case.name}: {run.stderr}"
    return run.returncode == 0, run.stderr


def main():
    with tempfile.TemporaryDirectory() as folder:
        for name, case in sorted(load().items()):
            if imports(case, folder)[0]:
                print(name)
            elif case.freeze() and imports(case, folder)[0]:
                print(name, "frozen")


if __name__ == "__main__":
    main()
