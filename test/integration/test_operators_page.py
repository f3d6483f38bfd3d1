"""docs/operators.md against the definitions of ONNX, and its claims about products."""

import re

import numpy as np
import onnx
import pytest

from support import Graph, run, save

SHAPE_ALONE = {"EyeLike"}  # looks at the shape of its float
FLOATS = {"tensor(float)", "seq(tensor(float))"}


@pytest.fixture(scope="module")
def page():
    """The rows of the page: domain, name, opsets, inputs, gradient, FP8."""
    domain, rows = None, []
    for line in run("fp8c", "operators", "--markdown").splitlines():
        if line.startswith("## "):
            domain = line[3:]
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if domain and line.startswith("| ") and cells[0] != "operator":
            rows.append((domain, *cells))
    assert len(rows) > 100
    return rows


def test_the_page_has_every_operator_once(page):
    listed = [line.split()[0] for line in run("fp8c", "operators").splitlines()]
    found = [name if domain == "ai.onnx" else f"{domain}.{name}" for domain, name, *_ in page]
    assert found == listed


def schema(name):
    return onnx.defs.get_schema(name)


def types(parameters):
    return set().union(*(p.types for p in parameters))


def test_inputs_are_as_many_as_onnx_has(page):
    """And those are optional that are; they may be called otherwise."""
    options = onnx.defs.OpSchema.FormalParameterOption
    marks = {options.Single: "", options.Optional: "?", options.Variadic: "…"}
    wrong = []
    for domain, name, _, inputs, *_ in page:
        if domain != "ai.onnx" or not onnx.defs.has(name):
            continue
        found = [re.search("[?…]?:", part).group()[:-1] for part in inputs.split("; ") if part]
        expected = [marks[i.option] for i in schema(name).inputs]
        if found != expected:
            wrong.append(f"{name}: {found}, ONNX has {expected}")
    assert not wrong, "\n".join(wrong)


def test_what_may_give_floats_has_a_gradient(page):
    wrong = []
    for domain, name, _, _, gradient, _ in page:
        if domain != "ai.onnx" or gradient == "while compiling" or name in SHAPE_ALONE or not onnx.defs.has(name):
            continue
        depends = bool(FLOATS & types(schema(name).inputs)) or name == "If"  # on its branches' values
        expected = "yes" if depends and FLOATS & types(schema(name).outputs) else "–"
        if gradient != expected:
            wrong.append(f"{name}: {gradient}, not {expected}")
    assert not wrong, "\n".join(wrong)


def test_products_become_fp8(page, tmp_path):
    graph = Graph()
    x = graph.input("x", np.float32, [32, 32])
    image = graph.input("image", np.float32, [2, 2, 16, 16])
    w = graph.initializer("w", np.ones((32, 32)))
    patches = graph.initializer("patches", np.ones((16, 2, 4, 4)))
    products = [
        graph.op("MatMul", x, w),
        graph.op("Gemm", x, w),
        graph.op("Einsum", x, w, equation="ij,kj->ik"),
        graph.op("Conv", image, patches, kernel_shape=[4, 4], strides=[4, 4]),
    ]
    kinds = {node.op_type for node in graph.nodes}
    assert kinds == {name for domain, name, *_, fp8 in page if fp8 and domain == "ai.onnx"}
    model = save(graph.model(dict(zip(products, ([32, 32],) * 3 + ([2, 16, 4, 4],)))), tmp_path / "m.onnx")
    ir = run("fp8c", "compile", model, "--forward-only", "--recipe", "fp8-delayed", "--emit=fp8")
    found = re.findall(r'fp8\.matmul .*name = "(\w+)\.\d', ir)
    assert sorted(found) == sorted(kind.lower() for kind in kinds)
