#!/usr/bin/env python3
"""Writes the set of exports: every case's ONNX file, what PyTorch computes, and
what PyTorch says of its parameters. The archive is committed: tests need onnxruntime
only, while what this script needs takes 3 GB.

    pip install -r test/exports/requirements.txt
    test/exports/make.py FOLDER --pack test/exports/exports.tar.xz
"""

import argparse
import json
import pathlib
import sys
import tarfile
import warnings

import numpy as np
import onnx
import torch

from cases import CASES
from describe import describe
from families import BATCH, FAMILIES, SEQ

FILES = ("model.onnx", "meta.json", "expected.npz")

# ------------------------------------------------------------------------------
# Models
# ------------------------------------------------------------------------------


def seed(name):
    return sum(ord(c) * 31**i for i, c in enumerate(name)) % 2**31


@torch.no_grad()
def draw(model, name, random_vectors):
    """Weights on a coarse grid, so that files compress."""
    generator = torch.Generator().manual_seed(seed(name))
    for key, parameter in model.named_parameters():
        values = torch.randn(parameter.shape, generator=generator)
        if parameter.dim() > 1:
            parameter.copy_(torch.round(values * 8) / 64)
        elif random_vectors:
            parameter.copy_(parameter + torch.round(values * 16) / 64)
    return model.eval()


def batch(case, family, rng):
    """The inputs by name, as a caller of the model gives them."""
    if family.kind == "vision":
        size = 12
        inputs = {"pixel_values": np.round(rng.standard_normal((BATCH, 3, size, size)) * 16).astype("f4") / 16}
        if case.loss:
            inputs["labels"] = rng.integers(0, 7, BATCH)
        return inputs
    ids = rng.integers(4, family.vocab, (BATCH, SEQ))
    if case.family == "nanogpt":
        return {"idx": ids, "targets": np.roll(ids, -1, 1)} if case.loss else {"idx": ids}
    inputs = {"input_ids": ids}
    if case.mask:
        inputs["attention_mask"] = np.ones((BATCH, SEQ), "i8")
    if case.loss:
        inputs["labels"] = ids
    return inputs


# ------------------------------------------------------------------------------
# Exports
# ------------------------------------------------------------------------------


class Wrapper(torch.nn.Module):
    """What people write around a model whose outputs their exporter does not know."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids):
        return self.model(input_ids, attention_mask=torch.ones_like(input_ids)).logits


def positional(model, names):
    """Arguments by place and a tuple instead of named outputs: the TorchScript
    exporter knows no others. Parameters keep their names."""
    kind = type(model)

    def forward(self, *values):
        return flat(kind.forward(self, **dict(zip(names, values))))

    model.__class__ = type(kind.__name__, (kind,), {"forward": forward})
    return model


def flat(outputs):
    """The tensors of named outputs, a cache's among them."""
    values = []
    for value in outputs.values():
        values += [value] if torch.is_tensor(value) else [t for layer in value.layers for t in (layer.keys, layer.values)]
    return tuple(values)


def output_names(case):
    if case.family == "nanogpt":
        return ["logits", "loss"] if case.loss else ["logits"]
    if case.family == "t5":
        return ["last_hidden_state"]
    return ["loss", "logits"] if case.loss else ["logits"]


def export(case, model, inputs, path):
    tensors = {k: torch.from_numpy(v) for k, v in inputs.items()}
    axes = {k: {0: "batch", 1: "sequence"} if v.dim() == 2 else {0: "batch"} for k, v in tensors.items()}
    options = dict(input_names=list(tensors), output_names=output_names(case), opset_version=case.opset)
    if case.exporter == "dynamo":
        options.update(dynamo=True, optimize=case.optimize, external_data=False)
        if case.past:  # torch.export does not know the cache's class
            torch.onnx.export(positional(model, list(tensors)), tuple(tensors.values()), path, **options)
        else:
            options.update(dynamic_shapes=axes if case.dynamic else None)
            torch.onnx.export(model, (), path, kwargs=tensors, **options)
    else:
        if case.family != "nanogpt" and not case.wrapped:
            model = positional(model, list(tensors))
        torch.onnx.export(model, tuple(tensors.values()), path, dynamo=False, dynamic_axes=axes if case.dynamic else None, **options)


def without_paths(path):
    """Stack traces name files below site-packages, not where those lie."""
    model = onnx.load(path)
    prefix = str(pathlib.Path(torch.__file__).parents[1]) + "/"
    here = str(pathlib.Path(__file__).parent.resolve()) + "/"
    data = model.SerializeToString()
    if prefix.encode() in data or here.encode() in data:
        strip(model, (prefix, here))
        onnx.save(model, path)
    return model


def strip(message, prefixes):
    for field, value in message.ListFields():
        if field.type == field.TYPE_MESSAGE:
            for part in value if field.is_repeated else [value]:
                strip(part, prefixes)
        elif field.type == field.TYPE_STRING and not field.is_repeated:
            for prefix in prefixes:
                value = value.replace(prefix, "")
            setattr(message, field.name, value)


# ------------------------------------------------------------------------------
# The set
# ------------------------------------------------------------------------------


@torch.no_grad()
def compute(case, model, inputs):
    tensors = {k: torch.from_numpy(v) for k, v in inputs.items()}
    result = model(**tensors)
    if case.family == "nanogpt" or case.wrapped:
        result = result if isinstance(result, tuple) else (result,)
        return {k: v.numpy() for k, v in zip(output_names(case), result)}
    return {k: result[k].numpy() for k in output_names(case)}


def make(case, folder, again=False):
    """Writes one case; `again`: describes the file that is there already."""
    family = FAMILIES[case.family]
    torch.manual_seed(0)
    settings = {**case.settings, **({"use_cache": True} if case.past else {})}
    model = draw(family.make(case.attention, **settings), case.name, not case.defaults)
    model = Wrapper(model) if case.wrapped else model
    inputs = batch(case, family, np.random.default_rng(seed(case.name)))
    out = folder / case.name
    out.mkdir(parents=True, exist_ok=True)
    outputs = compute(case, model, inputs)
    if not again:
        export(case, model, inputs, out / "model.onnx")
    meta = describe(case, family, model, without_paths(out / "model.onnx"), inputs, outputs, out / "model.onnx")
    (out / "meta.json").write_text(json.dumps(meta, indent=1) + "\n")
    arrays = {**{f"in.{k}": v for k, v in inputs.items()}, **{f"out.{k}": v for k, v in outputs.items()}}
    np.savez(out / "expected.npz", **arrays)


def pack(folder, archive):
    """One file, the same for the same contents."""
    with tarfile.open(archive, "w:xz", preset=9) as tar:
        for path in sorted(folder / case.name / file for case in CASES for file in FILES):
            entry = tarfile.TarInfo(str(path.relative_to(folder)))
            entry.size = path.stat().st_size
            with path.open("rb") as data:
                tar.addfile(entry, data)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--again", action="store_true", help="only describe the files that are there")
    parser.add_argument("--pack", type=pathlib.Path, metavar="ARCHIVE", help="then write all cases to this .tar.xz")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    failed = []
    for case in CASES:
        if arguments.names and not any(n in case.name for n in arguments.names):
            continue
        try:
            make(case, arguments.folder, arguments.again)
            print("ok  ", case.name, flush=True)
        except Exception as error:
            failed.append(case.name)
            print("FAIL", case.name, type(error).__name__, str(error)[:600].replace("\n", " "), flush=True)
    if arguments.pack and not failed:
        pack(arguments.folder, arguments.pack)
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
