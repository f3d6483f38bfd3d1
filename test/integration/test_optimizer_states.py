"""The update of states in few bits: against numpy bit for bit, its bounds, and what it leaves alone."""

import functools
import itertools
import json

import ml_dtypes
import numpy as np
import pytest

import adamw_oracle as oracle
from adamw_oracle import INVERSE, Hyper
from support import call, compile_model, run

CASES = [("fp8-lm-o2", "any"), ("fp8-lm", "any"), ("fp8-lm", "one"), ("fp8-lm-5", "one")]
DTYPES = {"f32": np.float32, "bf16": ml_dtypes.bfloat16, "f16": np.float16, "f8E4M3FN": ml_dtypes.float8_e4m3fn, "f8E5M2": ml_dtypes.float8_e5m2}
HYPER = Hyper()
CLIP = 0.01


class Programs:
    def __init__(self, folder):
        self.folder = folder
        self.model = folder / "tiny.onnx"
        run("fp8c", "model", "gpt2", "--layers", 1, "--d-model", 32, "--heads", 2, "--vocab", 64, "--seq", 16, "-o", self.model)
        self.get = functools.cache(self.make)

    def make(self, recipe, micro_batches):
        options = ["--micro-batches", 1] if micro_batches == "one" else []
        name = f"{str(recipe).replace('/', '-')}-{micro_batches}.fp8x"
        return compile_model(self.model, self.folder / name, "--recipe", recipe, "--batch", 2, "--host-opt", 1, *options)

    def update(self, program, tensors, hyper=HYPER):
        values = {**vars(hyper), "clip_norm": CLIP}
        options = itertools.chain.from_iterable(("--hyper", f"{name}={value}") for name, value in values.items())
        return call(program, "update", tensors, *options, folder=self.folder)


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    return Programs(tmp_path_factory.mktemp("states"))


def variables_of(program):
    return {v["name"]: v for v in json.loads((program / "manifest.json").read_text())["variables"]}


def is_scaled(variables, name):
    return f"{name}.scale" in variables


def random_state(program, seed=0, gradient_size=1e-3):
    """A state as some steps of training leave it: values, scales and amaxes that belong together."""
    random, variables, tensors = np.random.default_rng(seed), variables_of(program), {}
    for name, variable in variables.items():
        role, shape, dtype = variable["role"], variable["shape"], DTYPES.get(variable["dtype"])
        if role not in ("parameter", "gradient", "moment1", "moment2"):
            continue
        # Of a moment's elements the sizes differ by orders of magnitude.
        sizes = gradient_size * 10.0 ** random.uniform(-3, 0, shape)
        values = random.normal(size=shape)
        values = {"parameter": values * 0.05, "gradient": values * sizes, "moment1": values * sizes, "moment2": sizes**2}[role]
        values = values.astype(np.float32)
        if is_scaled(variables, name):
            if role == "moment2" and dtype == ml_dtypes.float8_e4m3fn:
                values = np.sqrt(values)
            amax = np.abs(values).max()
            scale = oracle.floor_to_power_of_two(np.float32(oracle.MAX[oracle.name_of(dtype)]) / amax)
            tensors[name] = oracle.quantize(values, scale, dtype)
            put_scale(tensors, variables, name, scale, amax)
        else:
            tensors[name] = values.astype(dtype)
    for name, variable in variables.items():
        if variable["role"] == "compute_weight" and is_scaled(variables, name):
            amax = np.abs(value_of(tensors, variables, variable["of"])).max()
            put_scale(tensors, variables, name, oracle.floor_to_power_of_two(np.float32(448) / amax), amax)
    return tensors


def put_scale(tensors, variables, name, scale, amax):
    tensors[f"{name}.scale"] = np.array([scale, 0, 0, 0, 1 / scale], np.float32)
    if f"{name}.amax" in variables:
        tensors[f"{name}.amax"] = np.array([np.float32(amax).view(np.int32), 0, 0], np.int32)


def value_of(tensors, variables, name, number=np.float32):
    if is_scaled(variables, name):
        return oracle.dequantize(tensors[name], tensors[f"{name}.scale"], number)
    return tensors[name].astype(np.float32).astype(number)


def gradients_of(tensors, variables, number=np.float32):
    """Gradients as the update reads them, and the bound on their magnitudes."""
    gradients = {}
    for name, variable in variables.items():
        if variable["role"] != "gradient":
            continue
        value = value_of(tensors, variables, name, np.float32)
        bound = np.abs(value).max()
        if is_scaled(variables, name):
            bound = np.float32(448) * tensors[f"{name}.scale"][INVERSE]
        elif value.ndim == 2 and variable["of"] != "wte.weight":
            # A sum over micro-batches: quantised once, here.
            scale = oracle.floor_to_power_of_two(np.float32(448) / bound)
            codes = oracle.quantize(value, scale, np.dtype(ml_dtypes.float8_e4m3fn))
            value, bound = codes.astype(np.float32) * (1 / scale), np.float32(448) / scale
        gradients[variable["of"]] = value.astype(number), bound
    return gradients


def clip_coefficient(norm):
    norm = np.float32(norm)
    return np.float32(1) if norm + np.float32(1e-6) <= CLIP else np.float32(CLIP) / (norm + np.float32(1e-6))


def expected_update(before, variables, coefficient, corrections, number):
    """Every state after the update, as codes, with scales, amaxes and clamps."""
    after = {}
    gradients = gradients_of(before, variables, number)
    key = int(oracle.random_bits(HYPER.seed, np.array([HYPER.step]), 7)[0] >> 8)
    for name, (gradient, bound) in gradients.items():
        states = {"parameter": name, "moment1": f"{name}.m", "moment2": f"{name}.v"}
        root = is_scaled(variables, states["moment2"]) and variables[states["moment2"]]["dtype"] == "f8E4M3FN"
        p, m, v = (value_of(before, variables, state, number) for state in states.values())
        v = v * v if root else v
        decays = gradient.ndim >= 2
        *new, clamps = oracle.adamw(p, gradient, m, v, coefficient, corrections, HYPER, decays, f"{name}.clamps" in variables, number)
        new[2] = np.sqrt(new[2]) if root else new[2]
        for stream, (role, value) in zip((0, 2, 3), zip(states, new)):
            state = states[role]
            if not is_scaled(variables, state):
                after[state] = value.astype(np.float32)
                continue
            dtype = np.dtype(DTYPES[variables[state]["dtype"]])
            amax = before[f"{state}.amax"][:1].view(np.float32)[0]
            scale = oracle.next_scale(role, dtype, amax, coefficient * bound, HYPER, decays, root)
            bits = None
            if role == "moment1" or (role == "moment2" and root):
                bits = oracle.rounding_bits(key, np.arange(value.size), stream).reshape(value.shape)
            after[state] = oracle.quantize(value, scale, dtype, bits)
            after[f"{state}.scale"] = np.array([scale, 0, 0, 0, 1 / scale], np.float32)
            after[f"{state}.amax"] = np.abs(value).max().astype(np.float32)
        if f"{name}.clamps" in variables:
            after[f"{name}.clamps"] = clamps
        if is_scaled(variables, name):
            new[0] = after[name].astype(np.float32).astype(number) * number(after[f"{name}.scale"][INVERSE])
        weight = f"{name}.e4m3"
        if weight in variables:
            amax = before[f"{weight}.amax"][:1].view(np.float32)[0]
            scale = oracle.next_scale("parameter", np.dtype(ml_dtypes.float8_e4m3fn), amax, 0, HYPER, decays, False)
            after[weight] = oracle.quantize(new[0], scale, np.dtype(ml_dtypes.float8_e4m3fn))
            after[f"{weight}.scale"] = np.array([scale, 0, 0, 0, 1 / scale], np.float32)
    return after



def bias_corrections(hyper):
    """f32 candidates for 1 - beta^step: pow is within 2.4 units in the last place."""

    def near(beta):
        exact = np.float32(np.float64(np.float32(beta)) ** hyper.step)
        powers = exact + np.arange(-3, 4) * np.spacing(exact)
        return {np.float32(1) - np.float32(x) for x in powers}

    return itertools.product(near(hyper.beta1), near(hyper.beta2))


@pytest.fixture(scope="module")
def updated(programs):
    @functools.cache
    def update(recipe, micro_batches):
        program = programs.get(recipe, micro_batches)
        before = random_state(program)
        return variables_of(program), before, programs.update(program, before)

    return update


@pytest.mark.parametrize("recipe, micro_batches", CASES)
def test_update_equals_f32_oracle_bit_for_bit(updated, recipe, micro_batches):
    variables, before, after = updated(recipe, micro_batches)
    coefficient = clip_coefficient(after["grad_norm"])
    assert coefficient < 1, "the test is to clip"
    differences = None
    for corrections in bias_corrections(HYPER):
        expected = expected_update(before, variables, coefficient, corrections, np.float32)
        wrong = [name for name, value in expected.items() if not same_bits(name, value, after[name])]
        differences = wrong if differences is None or len(wrong) < len(differences) else differences
        if not wrong:
            break
    assert not differences
    assert {"h.0/mlp/fc.weight.m", "h.0/mlp/fc.weight.v.scale", "h.0/mlp/fc.weight.e4m3", "wte.weight"} < expected.keys()


def same_bits(name, expected, actual):
    if name.endswith(".amax"):
        return actual[0] == expected.view(np.int32) and not actual[1:].any()
    if name.endswith(".clamps"):
        return actual[1] == expected
    return expected.dtype == actual.dtype and expected.tobytes() == actual.tobytes()


@pytest.mark.parametrize("recipe, micro_batches", CASES)
def test_update_is_within_one_code_of_f64(updated, recipe, micro_batches):
    variables, before, after = updated(recipe, micro_batches)
    coefficient = np.float64(clip_coefficient(after["grad_norm"]))
    betas = np.float64(np.float32(HYPER.beta1)), np.float64(np.float32(HYPER.beta2))
    expected = expected_update(before, variables, np.float32(coefficient), [1 - b**HYPER.step for b in betas], np.float64)
    total = different = 0
    for name, codes in expected.items():
        if not is_scaled(variables, name):
            continue
        bits = f"<i{codes.dtype.itemsize}"
        distance = np.abs(codes.view(bits).astype(np.int64) - after[name].view(bits).astype(np.int64))
        near = distance <= 1
        assert near.all() or np.abs(codes.astype(np.float32))[~near].max() == 0, name
        total, different = total + codes.size, different + np.count_nonzero(distance)
    assert total > 40000 and different <= total // 1000


@pytest.mark.parametrize("recipe, micro_batches", CASES)
def test_norm_counts_every_gradient(updated, recipe, micro_batches):
    variables, before, after = updated(recipe, micro_batches)
    gradients = gradients_of(before, variables, np.float64)
    norm = np.sqrt(sum(np.square(value).sum() for value, _ in gradients.values()))
    assert after["grad_norm"] == pytest.approx(norm, rel=1e-6)


@pytest.mark.parametrize("recipe, micro_batches", CASES)
def test_step_with_infinity_changes_nothing(programs, recipe, micro_batches):
    program = programs.get(recipe, micro_batches)
    before = random_state(program)
    before["ln_f.bias.grad"] = np.full_like(before["ln_f.bias.grad"], np.inf)
    after = programs.update(program, before)
    assert not np.isfinite(after["grad_norm"])
    variables = variables_of(program)
    kept = [name for name in before if variables[name]["role"] in ("parameter", "moment1", "moment2") or name.endswith(".scale")]
    assert len(kept) > 50
    for name in kept:
        if not name.endswith(".grad.scale"):
            assert before[name].tobytes() == after[name].tobytes(), name


@pytest.mark.parametrize("recipe", ["fp8-lm-o2", "fp8-lm"])
def test_saturation_does_not_hide_infinities(programs, recipe):
    """A sum that is quantised: its only infinity must not become the format's largest number."""
    program = programs.get(recipe, "any")
    before = random_state(program)
    name = "h.0/mlp/fc.weight"
    before[f"{name}.grad"] = before[f"{name}.grad"].copy()
    before[f"{name}.grad"][3, 5] = np.inf
    after = programs.update(program, before)
    assert not np.isfinite(after["grad_norm"])
    assert after[name].tobytes() == before[name].tobytes()


def test_update_is_limited_and_counted(programs):
    """A second moment that has underflowed must not throw the parameter away."""
    program = programs.get("fp8-lm", "one")
    variables, before = variables_of(program), random_state(program)
    name = "h.0/mlp/fc.weight"
    before[f"{name}.v"] = np.zeros_like(before[f"{name}.v"])
    after = programs.update(program, before)
    old, new = value_of(before, variables, name), value_of(after, variables, name)
    most = HYPER.lr * (oracle.quotient_bound(HYPER.beta1, HYPER.beta2, HYPER.step) + HYPER.weight_decay * np.abs(old))
    assert (np.abs(new - old) <= most + np.abs(new) * 2.0**-11 + after[f"{name}.scale"][INVERSE]).all()
    assert after[f"{name}.clamps"][1] > old.size // 2
    assert after[f"{name}.amax"][1] == 0, "nothing saturates"


def test_quotient_bound_is_what_adam_can_reach():
    """The gradients for which Cauchy and Schwarz are equal reach it."""
    for beta1, beta2, steps in [(0.9, 0.95, 20), (0.9, 0.999, 300), (0.5, 0.9, 5)]:
        r = beta1 / beta2
        gradients = r ** np.arange(steps)[::-1]
        m = sum((1 - beta1) * beta1**i * g for i, g in enumerate(gradients[::-1]))
        v = sum((1 - beta2) * beta2**i * g * g for i, g in enumerate(gradients[::-1]))
        quotient = m / (1 - beta1**steps) / np.sqrt(v / (1 - beta2**steps))
        assert 1.25 * quotient == pytest.approx(oracle.quotient_bound(beta1, beta2, steps), rel=1e-5)


def test_compute_weights_come_back_from_the_stored_scale(programs):
    """What init makes of a checkpoint is what update had made."""
    program = programs.get("fp8-lm", "one")
    variables, before = variables_of(program), random_state(program)
    after = programs.update(program, before)
    restored = {name: value for name, value in after.items() if name in variables and variables[name]["role"] in ("parameter", "scale")}
    again = call(program, "init", restored, folder=programs.folder)
    for name, variable in variables.items():
        if variable["role"] == "compute_weight":
            assert again[name].tobytes() == after[name].tobytes(), name


@pytest.mark.parametrize(
    "recipe, micro_batches, matrix_bytes", [("fp8-lm-o1", "one", 13), ("fp8-lm-o2", "one", 8), ("fp8-lm", "one", 6), ("fp8-lm-5", "one", 5), ("fp8-lm", "any", 9)]
)
def test_state_bytes_per_parameter(programs, recipe, micro_batches, matrix_bytes):
    program = programs.get(recipe, micro_batches)
    variables = variables_of(program)
    size = {name: v["bytes"] for name, v in variables.items()}
    for name in (n for n, v in variables.items() if v["role"] == "parameter" and len(v["shape"]) == 2 and n != "wte.weight"):
        states = [name, f"{name}.grad", f"{name}.m", f"{name}.v"]
        assert sum(size[state] for state in states) == matrix_bytes * np.prod(variables[name]["shape"]), name
    state = sum(v["bytes"] for v in variables.values() if v["role"] in ("parameter", "gradient", "moment1", "moment2"))
    parameters = sum(np.prod(v["shape"]) for v in variables.values() if v["role"] == "parameter")
    assert f"state bytes per parameter: {state / parameters:.2f}" in run("fp8c", "inspect", program)


def test_one_micro_batch_is_one(programs, tmp_path):
    np.arange(4096, dtype=np.uint16).__mod__(64).astype(np.uint16).tofile(tmp_path / "t.bin")
    program = programs.get("fp8-lm", "one")
    output = run("fp8c-run", "train", program, "--data", tmp_path / "t.bin", "--steps", 1, "--accumulate", 2, "--out", tmp_path / "run", status=1)
    assert "--accumulate 2: the program was compiled for 1 micro-batch per step" in output
