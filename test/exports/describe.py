"""What PyTorch says of an export: names, shapes, and which tensor of the file is
which parameter, by values."""

import ast

import numpy as np
import onnxruntime
from onnx import numpy_helper

FOLDED = "pkg.onnxscript.optimizer.folded_from"
SCOPES = "pkg.torch.onnx.name_scopes"


def groups(model):
    """Names of the parameters, tied ones together; the first is PyTorch's own."""
    ties = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        ties.setdefault(id(parameter), []).append(name)
    return list(ties.values())


def properties(message):
    return {entry.key: entry.value for entry in message.metadata_props}


def identify(graph, model):
    """For every initializer of floats the parameters that it holds: those of the
    same values, perhaps transposed, the first rows or with 1 added (Gemma's norms),
    or those it was folded from."""
    folded = {v.name: ast.literal_eval(properties(v).get(FOLDED, "[]")) for v in graph.value_info}
    values = {name: p.detach().numpy() for name, p in model.named_parameters()}
    first = {name: names[0] for names in groups(model) for name in names}
    found = {}
    for tensor in graph.initializer:
        array = numpy_helper.to_array(tensor)
        if array.dtype.kind == "f":
            names = [name for name, value in values.items() if holds(array, value)]
            found[tensor.name] = names or sorted({first[n] for n in folded.get(tensor.name, []) if n in first})
    return found


def holds(array, value):
    if array.shape == value.shape or array.shape == value.T.shape:
        return any(np.array_equal(array, form) for form in (value, value.T, value + 1))
    if value.ndim != 2 or array.shape[-1:] != value.shape[1:]:
        return False
    rows = array.reshape(-1, value.shape[1])
    return np.array_equal(rows, value[: len(rows)])


def absent(graph, model, held):
    """Parameters that the optimizer of the dynamo exporter has removed: a bias of
    zeros, which no node of its module adds any more."""
    readers = {}
    for node in graph.node:
        for scope in ast.literal_eval(properties(node).get(SCOPES, "[]")):
            readers.setdefault(scope, set()).update(node.input)
    gone = []
    for names in groups(model):
        owners = [tensor for tensor, parameters in held.items() if names[0] in parameters]
        own = any(len(held[tensor]) == 1 or tensor in names for tensor in owners)
        modules = {name.rpartition(".")[0] for name in names}
        if not own and not any(tensor in readers.get(module, ()) for tensor in owners for module in modules):
            gone.append(names[0])
    return gone


def onnxruntime_says(path, inputs, expected):
    """The largest difference from PyTorch's results, relative to the largest
    value; or why onnxruntime does not run the file."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level, options.intra_op_num_threads = 4, 1
    try:
        session = onnxruntime.InferenceSession(str(path), options)
        names = [output.name for output in session.get_outputs()]
        results = dict(zip(names, session.run(None, {i.name: inputs[i.name] for i in session.get_inputs()})))
    except Exception as error:  # onnxruntime's have no common class
        return str(error)
    return max(float(np.abs(results[k] - v).max() / np.abs(v).max()) for k, v in expected.items())


def describe(case, family, model, export, inputs, outputs, path):
    held = identify(export.graph, model)
    return {
        **{key: value for key, value in vars(case).items() if key not in ("settings", "tag")},
        "kind": family.kind,
        "vocab": family.vocab,
        "inputs": {name: [str(value.dtype), list(value.shape)] for name, value in inputs.items()},
        "outputs": {name: list(value.shape) for name, value in outputs.items()},
        "parameters": {name: list(p.shape) for name, p in model.named_parameters()},
        "tied": [names for names in groups(model) if len(names) > 1],
        "buffers": {name: list(b.shape) for name, b in model.named_buffers()},
        "initializers": held,
        "absent": absent(export.graph, model, held) if case.exporter == "dynamo" and case.optimize else [],
        "onnxruntime": onnxruntime_says(path, inputs, outputs),
    }
