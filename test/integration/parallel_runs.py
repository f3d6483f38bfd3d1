"""Trainings by several processes, and by one."""

import functools
import json

import numpy as np

from support import compile_model, read_safetensors, run

ROWS, STEPS = 2, 10
MODELS = {
    "gpt2": ["gpt2", "--layers", 2, "--d-model", 32, "--heads", 2, "--vocab", 61, "--seq", 24],
    "llama": ["llama", "--layers", 1, "--d-model", 48, "--heads", 3, "--kv-heads", 1, "--vocab", 300, "--seq", 7],
}
VOCAB = {"gpt2": 61, "llama": 300}
RECIPES = {
    f"wire-{wire}": f"name: wire-{wire}\nrules:\n  - match: {{role: gradient, rank: 2}}\n    wire: {wire}\n"
    for wire in ("bf16", "e4m3", "e5m2")
}
# FP8-LM as it was published: the library sums codes, and mu makes room for the sums.
RECIPES["native"] = RECIPES["wire-e4m3"].replace("wire-e4m3", "native") + "    reduce: native\n"


class Workshop:
    """Programs and runs, each made once."""

    def __init__(self, folder):
        self.folder = folder
        self.program, self.run = functools.cache(self.make_program), functools.cache(self.make_run)

    def data(self, model):
        path = self.folder / f"{model}.bin"
        if not path.exists():
            walk = np.random.default_rng(1).integers(-3, 4, 20_000).cumsum()
            np.mod(walk, VOCAB[model]).astype("<u2").tofile(path)
        return path

    def make_program(self, model, recipe, dp, rows, *options):
        onnx = self.folder / f"{model}.onnx"
        if not onnx.exists():
            run("fp8c", "model", *MODELS[model], "-o", onnx)
        parallel = ["--parallel", f"dp={dp}"] if dp > 1 else []
        if recipe in RECIPES:
            (self.folder / f"{recipe}.yaml").write_text(RECIPES[recipe])
        file = self.folder / f"{recipe}.yaml" if recipe in RECIPES else recipe
        program = self.folder / f"{'-'.join(map(str, [model, recipe, dp, rows, *options]))}.fp8x"
        return compile_model(onnx, program, "--recipe", file, "--batch", rows, *parallel, *options)

    def make_run(self, model, recipe, dp, accumulate, rows=ROWS, steps=STEPS, compiled=()):
        out = self.folder / '-'.join(map(str, [model, recipe, dp, rows, accumulate, steps, *compiled]))
        processes = ["--nproc", dp] if dp > 1 else []
        program = self.program(model, recipe, dp, rows, *(compiled if dp > 1 else compiled[:2]))
        options = ["--accumulate", accumulate, "--steps", steps, "--warmup", 0, "--lr", 3e-3, "--clip", 0]
        run("fp8c-run", "train", program, *processes, "--data", self.data(model), *options, "--check-replicas",
            "--checkpoint-every", 1, "--keep", 0, "--out", out)  # fmt: skip
        return out


def metrics(out):
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


def state(out, step):
    file = out / f"checkpoints/step-{step:06}/model.safetensors"
    return read_safetensors(file)
