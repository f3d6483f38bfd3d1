#!/usr/bin/env python3
"""Writes test/fuzz/corpus/: small valid files of every kind.

Most come from the tools that write them (build/release), the models of single
operators from the node tests of ONNX. To be run, and the result committed, when a
format changes: build/venv/bin/python test/fuzz/make-corpus.py
"""

import array
import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import tarfile
import tempfile
import warnings

import numpy as np
import onnx
from onnx import helper, numpy_helper

ROOT = pathlib.Path(__file__).parents[2]
BIN = pathlib.Path(os.environ.get("FP8C_BIN", ROOT / "build/release/bin"))
CORPUS = ROOT / "test/fuzz/corpus"
MODELS_PER_OPERATOR = 2
LARGEST_MODEL = 1500  # bytes
LARGEST_EXPORT = 48 << 10
UNREAD_METADATA = ("stack_trace", "fx_node", "class_hierarchy", "namespace")


def run(tool, *arguments):
    command = [BIN / tool, *map(str, arguments)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def put(target, name, *files):
    """Writes an input of a target: its files as the target takes them apart."""
    (CORPUS / target).mkdir(parents=True, exist_ok=True)
    (CORPUS / target / name).write_bytes(b"\n====\n".join(files))


def read(path):
    return pathlib.Path(path).read_bytes()


def dense(value):
    return json.dumps(value, separators=(",", ":")).encode()


def models():
    tiny = ["--layers", 1, "--d-model", 16, "--heads", 2, "--vocab", 32, "--seq", 8]
    for kind in ("gpt2", "llama", "qwen"):
        run("fp8c", "model", kind, *tiny, "--no-weights", "-o", f"{kind}.onnx")
        put("onnx", kind, read(f"{kind}.onnx"))

    # One whose weights stand in another file, as the target has it.
    model = onnx.load("gpt2.onnx")
    weight = numpy_helper.from_array(np.zeros((4, 4), np.float32), "w")
    weight.ClearField("raw_data")
    weight.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", "w.bin"), ("offset", "0"), ("length", "64")):
        weight.external_data.add(key=key, value=value)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "external",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [2, 4])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [2, 4])],
        [weight],
    )
    external = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)])
    external.ir_version = model.ir_version
    put("onnx", "external", external.SerializeToString())


def operators():
    """The smallest node tests of every operator that fp8c has, with what is no
    float as constants: so most of them are imported."""
    from onnx.backend.test.case.node import collect_testcases

    known = {line.split()[0] for line in run("fp8c", "operators").splitlines() if line.strip()}
    found = {}
    for test in collect_testcases(None):
        nodes = test.model.graph.node
        if not test.data_sets or any(n.op_type not in known or n.domain not in ("", "ai.onnx") for n in nodes):
            continue
        model = onnx.ModelProto()
        model.CopyFrom(test.model)
        graph = model.graph
        for value in list(graph.input):
            data = dict(zip([i.name for i in test.model.graph.input], test.data_sets[0][0]))[value.name]
            if isinstance(data, np.ndarray) and data.dtype.kind in "biu" and data.dtype != np.bool_:
                graph.initializer.append(numpy_helper.from_array(data, value.name))
                graph.input.remove(value)
        found.setdefault(nodes[-1].op_type, []).append((model.ByteSize(), test.name, model))
    for candidates in found.values():
        for size, name, model in sorted(candidates, key=lambda c: c[:2])[:MODELS_PER_OPERATOR]:
            if size <= LARGEST_MODEL:
                put("onnx", name.removeprefix("test_"), model.SerializeToString())


def shrink(model):
    """Leaves out what the importer does not read, and moves weights into the target's
    file of external data. Masks and tables of few values stay."""
    graph = model.graph
    for item in (*graph.node, *graph.value_info, graph, model):
        item.doc_string = ""
        kept = [p for p in item.metadata_props if not p.key.endswith(UNREAD_METADATA)]
        kept = [(p.key, p.value) for p in kept]
        del item.metadata_props[:]
        for key, value in kept:
            item.metadata_props.add(key=key, value=value)
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.nbytes <= 256 or values.dtype != np.float32 or np.unique(values).size < 8:
            continue
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        for key, value in (("location", "w.bin"), ("length", str(values.nbytes))):
            tensor.external_data.add(key=key, value=value)


def exported_models():
    """Name and bytes of each model in the archive of exports."""
    for path in sorted((ROOT / "test/exports").glob("*.tar.xz")):
        with tarfile.open(path) as archive:
            for member in archive:
                if member.name.endswith("/model.onnx"):
                    yield pathlib.Path(member.name).parent.name, archive.extractfile(member).read()


def exports():
    """Of each family the smallest models that both exporters of PyTorch wrote."""
    smallest = {}
    for name, data in exported_models():
        model = onnx.load_from_string(data)
        shrink(model)
        data = model.SerializeToString()
        family, exporter = name.split("-")[0], "-ts" in name
        if len(data) <= LARGEST_EXPORT:
            best = smallest.setdefault((family, exporter), (len(data), name, data))
            smallest[family, exporter] = min(best, (len(data), name, data))
    for _, name, data in smallest.values():
        put("exports", name, data)


def excerpt(manifest):
    """A manifest with what belongs to a few parameters."""
    names = ("wte.weight", "ln_f.weight", "h.0/mlp/fc")
    manifest["variables"] = [v for v in manifest["variables"] if v["name"].startswith(names)]
    for function in manifest["functions"].values():
        function["outputs"] = function["outputs"][:2]
    return manifest


def programs():
    """A program's manifest, a run of it, and what profiling it tells."""
    small = ["--layers", 1, "--d-model", 8, "--heads", 1, "--vocab", 32, "--seq", 4]
    run("fp8c", "model", "gpt2", *small, "--no-weights", "-o", "m.onnx")
    for recipe in ("f32", "fp8-lm"):
        options = ["--batch", 2, "--host-opt", 0, "--expose-operands"]
        run("fp8c", "compile", "m.onnx", "--recipe", recipe, *options, "-o", f"{recipe}.fp8x")
        put("manifest", recipe, dense(excerpt(json.loads(read(f"{recipe}.fp8x/manifest.json")))))
    array.array("H", [i * i % 31 for i in range(200)]).tofile(open("x.train.bin", "wb"))
    run("fp8c-run", "train", "f32.fp8x", "--data", "x.train.bin", "--steps", 3, "--out", "run")
    put("safetensors", "checkpoint", read("run/checkpoints/step-000003/model.safetensors"))
    profile = ["--data", "x.train.bin", "--steps", 2, "--batches", 1]
    run("fp8c-run", "profile", "f32.fp8x", *profile, "-o", "stats.json")
    statistics = json.loads(read("stats.json"))
    for key in ("variables", "operands"):  # some of each role
        statistics[key] = [e for i, e in enumerate(statistics[key]) if i % 5 == 0 or e["name"] == "wte.weight"]
    put("statistics", "gpt2", dense(statistics))


def runs():
    """A run of the program that the target loads checkpoints into."""
    array.array("H", [i * i % 251 for i in range(200)]).tofile(open("bytes.train.bin", "wb"))
    run("fp8c-run", "train", BIN / "bigram.fp8x", "--data", "bytes.train.bin", "--steps", 3, "--out", "bigram")
    state = read("bigram/checkpoints/step-000003/state.json")
    # Paths of this machine say nothing.
    config = read("bigram/config.json")
    for path in (pathlib.Path.cwd(), BIN):
        config = config.replace(str(path).encode(), b"/runs")
    put("run-state", "bigram", config, state, read("bigram/metrics.jsonl"))


def recipes():
    for name in ("f32", "fp8-delayed", "fp8-block", "fp8-lm"):
        put("recipe", name, read(ROOT / f"recipes/{name}.yaml"))


def tokens():
    """Token files in both layouts."""
    description = b'{"tokenizer": "bytes"}'
    values = array.array("H", [i * i % 251 for i in range(100)])
    header = array.array("i", [20240520, 1, len(values)] + [0] * 253)
    put("tokens", "headerless", values.tobytes(), description)
    put("tokens", "llmc", header.tobytes() + values.tobytes(), description)
    put("tokens", "llmc-wide", array.array("i", [20240801, 1, 1] + [0] * 253).tobytes(), description)


def vocabulary():
    """The characters that stand for bytes, a few merges, and a text."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [byte for byte in range(256) if byte not in printable]
    names = [chr(byte) for byte in printable] + [chr(256 + i) for i in range(len(rest))]
    merges = [("t", "h"), ("th", "e"), ("\u0120", "the"), ("\u0120", "a")]
    names += ["".join(merge) for merge in merges] + ["<|endoftext|>"]
    encoder = json.dumps({name: i for i, name in enumerate(names)}, ensure_ascii=False)
    bpe = "#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges)
    text = "the other the\u00e9 's 12\n  a<|endoftext|>"
    put("vocabulary", "bpe", encoder.encode(), bpe.encode(), text.encode())


def main():
    shutil.rmtree(CORPUS, ignore_errors=True)
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for part in (models, operators, exports, programs, runs, recipes, tokens, vocabulary):
            part()
    print(sum(path.stat().st_size for path in CORPUS.rglob("*") if path.is_file()), "bytes")


if __name__ == "__main__":
    main()
