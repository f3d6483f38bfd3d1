"""Products of one input are one product, and nobody outside of the program sees that their
parameters are one: files have the model's names, first values are the same, runs move."""

import itertools
import json
import pathlib

import numpy as np
import pytest

from support import call, compile_model, read_safetensors, run, stored_names, write_safetensors

ROOT = pathlib.Path(__file__).parents[2]
VOCAB = 96
MODELS = {
    "llama": ["llama", "--d-model", 64, "--heads", 4, "--kv-heads", 2, "--ffn", 96, "--seq", 24],
    "five-heads": ["llama", "--d-model", 80, "--heads", 5, "--ffn", 48, "--seq", 17],
    "qwen": ["qwen", "--d-model", 48, "--heads", 3, "--kv-heads", 1, "--head-dim", 32, "--ffn", 64, "--seq", 20],  # norms of queries and keys
    "biases": ["gpt2", "--d-model", 64, "--heads", 4, "--mlp", "swiglu", "--ffn", 80, "--seq", 16],
    "narrow": ["llama", "--d-model", 48, "--heads", 6, "--kv-heads", 1, "--ffn", 40, "--seq", 12],  # parts of 8 columns
}
MERGED = {"llama": 2, "five-heads": 2, "qwen": 2, "biases": 1, "narrow": 0}  # of a layer: variables that are several of the model's
BATCH, LAYERS = 3, 2
RECIPES = ["f32", "bf16", "fp8-delayed", "fp8-lm", "fp8-rowwise", "fp8-block", "fp8-current", "fp8-head"]


class Workshop:
    def __init__(self, folder):
        self.folder = folder
        rng = np.random.default_rng(0)
        rng.integers(0, VOCAB, 4000).astype("<u2").tofile(folder / "tokens.bin")

    def model(self, name, *options):
        path = self.folder / f"{name}{'-'.join(map(str, options))}.onnx"
        if not path.exists():
            family, *sizes = MODELS[name]
            run("fp8c", "model", family, "--layers", LAYERS, "--vocab", VOCAB, *sizes, *options, "-o", path)
        return path

    def recipe(self, name, merge):
        if merge == "all":
            return name
        path = self.folder / f"{name}-{merge}.yaml"
        text = (ROOT / f"recipes/{name}.yaml").read_text()
        path.write_text(text.replace("defaults:", f"defaults:\n  merge: {merge}"))
        return path

    def program(self, name, recipe, merge):
        path = self.folder / f"{name}-{recipe}-{merge}.fp8x"
        if not path.exists():
            compile_model(self.model(name), path, "--recipe", self.recipe(recipe, merge), "--batch", BATCH)
        return path

    def batch(self, name):
        rng, seq = np.random.default_rng(1), MODELS[name][-1]
        return {key: rng.integers(0, VOCAB, (BATCH, seq)) for key in ("tokens", "targets")}

    def train(self, program, out, *options):
        run("fp8c-run", "train", program, "--data", self.folder / "tokens.bin", "--warmup", 1, "--lr", 3e-3, "--out", out, *options)
        return losses(out)


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    return Workshop(tmp_path_factory.mktemp("merge"))


def losses(folder):
    lines = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    return [line["loss"] for line in lines if "grad_norm" in line]


def joined(program):
    manifest = json.loads((program / "manifest.json").read_text())
    return [v for v in manifest["variables"] if v["role"] == "parameter" and "parts" in v and len(v["shape"]) == 2]


@pytest.mark.parametrize("merge", ["all", "forward"])
@pytest.mark.parametrize("name", MODELS)
def test_one_product_computes_what_several_do(workshop, name, merge, tmp_path):
    """The first values to the bit, gradients and the updated weights but for the order of sums."""
    apart, whole = workshop.program(name, "f32", "none"), workshop.program(name, "f32", merge)
    assert not joined(apart) and len(joined(whole)) == MERGED[name] * LAYERS
    roles = "parameter", "gradient", "moment1", "moment2"
    assert sorted(stored_names(whole, *roles)) == sorted(stored_names(apart, *roles))
    one, other = (call(p, "micro", workshop.batch(name), folder=tmp_path) for p in (whole, apart))
    assert one["loss"] == pytest.approx(other["loss"], rel=1e-6)
    for key in stored_names(apart, "parameter"):
        assert one[key].tobytes() == other[key].tobytes(), key
    for key in stored_names(apart, "gradient"):
        assert np.linalg.norm(one[key] - other[key]) <= 1e-5 * np.linalg.norm(other[key]), key
    one, other = (call(p, "micro,update", workshop.batch(name), folder=tmp_path) for p in (whole, apart))
    assert one["grad_norm"] == pytest.approx(other["grad_norm"], rel=1e-5)


@pytest.mark.parametrize("name, recipe", [*itertools.product(["llama"], RECIPES), *itertools.product(MODELS, ["fp8-lm"])])
def test_trainings_are_alike(workshop, name, recipe, tmp_path):
    steps = 12
    runs = {merge: workshop.train(workshop.program(name, recipe, merge), tmp_path / merge, "--steps", steps) for merge in ("none", "forward", "all")}
    for merge in "forward", "all":
        np.testing.assert_allclose(runs[merge], runs["none"], rtol=1e-5 if recipe == "f32" else 4e-3)
    # Parameters and moments have the model's names, and so do their scales.
    kept = {merge: read_safetensors(tmp_path / merge / f"checkpoints/step-{steps:06}/model.safetensors") for merge in runs}
    for role in "parameter", "moment1", "moment2":
        names = stored_names(workshop.program(name, recipe, "none"), role)
        for merge in "forward", "all":
            assert set(names) <= kept[merge].keys()
            assert {f"{n}.scale" for n in names if f"{n}.scale" in kept["none"]} == {f"{n}.scale" for n in names if f"{n}.scale" in kept[merge]}


@pytest.mark.parametrize("start, end", [("none", "all"), ("all", "none"), ("forward", "all")])
@pytest.mark.parametrize("recipe", ["f32", "bf16"])
def test_a_run_goes_on_with_a_program_that_keeps_them_otherwise(workshop, recipe, start, end, tmp_path):
    """Without scale states, which are those of the products, a checkpoint is one for both."""
    options = "--steps", 8, "--checkpoint-every", 4
    whole = workshop.train(workshop.program("llama", recipe, start), tmp_path / "whole", *options)
    run("fp8c-run", "train", workshop.program("llama", recipe, end), "--resume", tmp_path / "whole", "--step", 4)
    np.testing.assert_allclose(losses(tmp_path / "whole")[-4:], whole[-4:], rtol=1e-6 if recipe == "f32" else 2e-3)


def test_states_given_by_the_models_names(workshop, tmp_path):
    """What one program has after a step another takes, under the names of the parts; codes need their scales."""
    program, batch = workshop.program("llama", "fp8-lm", "all"), workshop.batch("llama")
    state = call(program, "calibrate,micro,update", batch, folder=tmp_path)
    names = stored_names(program, "parameter", "moment1", "moment2", "scale")
    given = {key: state[key] for key in names}
    after = call(program, "calibrate", {**given, **batch}, folder=tmp_path)
    for key in stored_names(program, "parameter", "moment1", "moment2"):
        assert after[key].tobytes() == state[key].tobytes(), key

    def refuses(tensors, *messages):
        write_safetensors(tmp_path / "bad.safetensors", tensors)
        said = run("fp8c-run", "call", program, "init", "--inputs", tmp_path / "bad.safetensors", "--outputs", tmp_path / "out", status=1)
        assert all(message in said for message in ("bad.safetensors", *messages)) and not (tmp_path / "out").exists(), said

    key = "h.0/attn/k.weight"
    refuses({k: v for k, v in given.items() if k != f"{key}.m"}, f'lacks "{key}.m"', '"h.0/attn/q.weight.m"')
    refuses({**given, key: given[key][:, :-16]}, f'"{key}"', "64x32")
    scale = given[f"{key}.scale"].copy()
    scale[0], scale[-1] = scale[0] * 2, scale[-1] / 2
    refuses({**given, f"{key}.scale": scale}, f'"{key}.scale" differs from "h.0/attn/q.weight.scale"', "merge: none")
    refuses({**given, "h.0/attn/key.weight": given[key]}, '"h.0/attn/key.weight" is neither a variable')


def test_some_parts_are_given(workshop, tmp_path):
    """The others start as they do."""
    batch, value = workshop.batch("llama"), np.random.default_rng(0).normal(size=(64, 32)).astype("f4")
    one, other = (call(workshop.program("llama", "f32", m), "micro", {**batch, "h.0/attn/k.weight": value}, folder=tmp_path) for m in ("all", "none"))
    for key in stored_names(workshop.program("llama", "f32", "none"), "parameter"):
        assert one[key].tobytes() == other[key].tobytes(), key
    assert np.array_equal(one["h.0/attn/k.weight"], value)
    assert one["loss"] == pytest.approx(other["loss"], rel=1e-6)


def test_rules_reach_a_product_that_is_one_in_forward_alone(workshop, tmp_path):
    recipe = tmp_path / "recipe.yaml"
    text = (ROOT / "recipes/fp8-delayed.yaml").read_text().replace("defaults:", "defaults:\n  merge: forward")
    recipe.write_text(text + '\n  - match: { name: ["h.*/attn/q", "h.*/attn/k", "h.*/attn/v"], gemm: fwd }\n    format: bf16\n')
    said = run("fp8c", "compile", workshop.model("llama"), "--recipe", recipe, "--batch", BATCH, "--emit", "fp8")
    products = [line for line in said.splitlines() if 'fp8.name = "h.0/attn/q+k+v"' in line and ".matmul " in line]
    assert products and not [line for line in products if "fp8.matmul" in line]


@pytest.mark.parametrize("rules, expected", [
    ([], ["q+k+v", "gate+up"]),
    (['{ name: "h.*/attn/q" }\n    format: bf16'], ["k+v", "gate+up"]),
    (['{ name: "h.*/mlp/up", gemm: wgrad }\n    format: bf16'], ["q+k+v"]),
    (['{ variable: "*gate.weight.m" }\n    storage: bf16'], ["q+k+v"]),
    (['{ name: ["h.*/mlp/gate", "h.*/mlp/up"] }\n    format: bf16'], ["q+k+v", "gate+up"]),
    (['{ name: "h.*/attn/q+k+v" }\n    format: bf16'], ["q+k+v", "gate+up"]),
    (['{ name: "h.*/attn/*" }\n    merge: none'], ["gate+up"]),
    (['{ name: "h.*/attn/q" }\n    merge: none'], ["k+v", "gate+up"]),
])  # fmt: skip
def test_recipes_choose_by_the_models_names(workshop, rules, expected, tmp_path):
    """A rule that matches nothing would be an error."""
    recipe = tmp_path / "recipe.yaml"
    text = (ROOT / "recipes/fp8-delayed.yaml").read_text()
    recipe.write_text(text + "".join(f"\n  - match: {rule}\n" for rule in rules))
    program = compile_model(workshop.model("llama"), tmp_path / "program.fp8x", "--recipe", recipe, "--batch", BATCH)
    assert [v["name"].removeprefix("h.0/").split("/")[1].removesuffix(".weight") for v in joined(program) if "h.0/" in v["name"]] == expected
    if "bf16" in "".join(rules):
        said = run("fp8c", "compile", workshop.model("llama"), "--recipe", recipe, "--batch", BATCH, "--emit", "fp8", "--remarks")
        assert ("stays apart from" in said) == (expected != ["q+k+v", "gate+up"])


def test_one_scale_is_enough_for_the_gradients_of_a_merged_product(workshop, tmp_path):
    """In E5M2: with the limit that `--recipe auto` has, the share of numbers that become 0."""
    program = tmp_path / "program.fp8x"
    run("fp8c", "compile", workshop.model("llama"), "--recipe", "f32", "--batch", BATCH, "--expose-operands", "-o", program)
    run("fp8c-run", "profile", program, "--data", workshop.folder / "tokens.bin", "--steps", 20, "-o", tmp_path / "stats.json")
    operands = {o["name"]: o for o in json.loads((tmp_path / "stats.json").read_text())["operands"]}
    for layer, product in itertools.product(range(LAYERS), ("attn/q+k+v", "mlp/gate+up")):
        assert operands[f"h.{layer}/{product}.dy"]["formats"]["e5m2"]["tensor"]["underflow"] < 0.01
