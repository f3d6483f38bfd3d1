#!/usr/bin/env python3
"""Loss and gradients of compiled GPT-2 and Llama programs against PyTorch, on the same weights and batch.

The programs are PREFIX-RECIPE.fp8x for f32 and any of bf16, fp8-delayed,
fp8-current, fp8-lm and fp8-slow, of one model and batch, for either target. The f32 program trains for
some steps, so that the weights mean something (see test/integration/test_gradients.py);
then every program's `micro` is compared with the model in plain PyTorch, f32 without
TF32. FP8 programs with f32 parameters are also compared with that model under emulation: values and their
gradients rounded to bf16, operands of the blocks' products cast by PyTorch to e4m3,
gradients to e5m2, at the program's scales. What is left then is the order of sums,
their width in the hardware, and codes that fall on the other side of a tie. The width
counts for most where GPUs accumulate fast: fp8-slow is a recipe that never does.

Prints a table of differences of losses (nats) and of cosines over all parameters;
exits with 1 where one is out of bounds. Needs PyTorch and NumPy; FP8C_BIN names the
folder of fp8c-run.

usage: torch_gradients.py PREFIX --data TOKENS [--steps N] [--lr X] [--heads N] [--save FILE]
"""

import argparse
import json
import pathlib
import sys
import tempfile
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

from common import save, tool

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


@dataclass
class Bounds:
    """Of the loss's difference, of the lowest cosine and of their median; of the
    lowest against the emulation."""

    loss: float
    lowest: float
    median: float
    emulated: float | None = None


BOUNDS = {
    "f32": Bounds(1e-4, 0.99999, 0.99999),
    "bf16": Bounds(1e-3, 0.999, 0.999),
    "fp8-slow": Bounds(5e-3, 0.985, 0.993, emulated=0.998),
    # Fast accumulation drops bits of forward sums, as many as the casts do.
    "fp8-delayed": Bounds(5e-3, 0.985, 0.993, emulated=0.985),
    "fp8-current": Bounds(5e-3, 0.985, 0.993, emulated=0.985),
    "fp8-lm": Bounds(5e-3, 0.985, 0.993),
}

# ------------------------------------------------------------------------------
# Arithmetic
# ------------------------------------------------------------------------------


class Exact:
    """f32 throughout."""

    def round(self, x):
        return x

    def product(self, name, x, weight):
        return x @ weight


class RoundBoth(torch.autograd.Function):
    """A value, and its gradient, stored in bf16."""

    @staticmethod
    def forward(context, x):
        return x.bfloat16().float()

    @staticmethod
    def backward(context, gradient):
        return gradient.bfloat16().float()


def quantize(x, dtype, scale):
    """What is left of x in FP8: to nearest even, saturated. Without a scale, that of
    current scaling: the power of two below largest / amax."""
    largest = torch.finfo(dtype).max
    if scale is None:
        exponent = torch.frexp(largest / x.abs().max()).exponent
        scale = torch.ldexp(torch.ones_like(x[..., :1].flatten()[0]), exponent - 1)
    return (x * scale).clamp(-largest, largest).to(dtype).float() / scale


class FP8Product(torch.autograd.Function):
    """x w, and both gradients, of quantised operands; sums in f32."""

    @staticmethod
    def forward(context, x, weight, scales):
        x = quantize(x, torch.float8_e4m3fn, scales["x"])
        weight = quantize(weight, torch.float8_e4m3fn, scales["weight"])
        context.save_for_backward(x, weight)
        context.scale = scales["dy"]
        return x @ weight

    @staticmethod
    def backward(context, dy):
        x, weight = context.saved_tensors
        dy = quantize(dy, torch.float8_e5m2, context.scale)
        return dy @ weight.T, x.flatten(0, -2).T @ dy.flatten(0, -2), None


class Emulated:
    """Rounds as an FP8 program does whose variables these are. They tell which
    products are in FP8, and the scales of sites and weights that have a state."""

    def __init__(self, variables):
        self.variables = variables

    def scale(self, name):
        state = self.variables.get(f"{name}.scale")
        return None if state is None else state.flatten()[0]

    def round(self, x):
        return RoundBoth.apply(x)

    def product(self, name, x, weight):
        if f"{name}.weight.e4m3" not in self.variables:
            return self.round(x @ self.round(weight))
        scales = {"x": self.scale(f"{name}.x"), "weight": self.scale(f"{name}.weight.e4m3"), "dy": self.scale(f"{name}.dy")}
        return self.round(FP8Product.apply(x, weight, scales))


# ------------------------------------------------------------------------------
# The models, with the names and the roundings of `fp8c model`
# ------------------------------------------------------------------------------


def attention(query, key, value, heads, arithmetic):
    """[batch, seq, heads * head] -> the same, causal; keys and values may have fewer heads."""
    seq, head = query.shape[1], query.shape[-1] // heads
    query, key, value = (x.unflatten(-1, (-1, head)).transpose(1, 2) for x in (query, key, value))
    key, value = (x.repeat_interleave(heads // x.shape[1], dim=1) for x in (key, value))
    hidden = torch.ones(seq, seq, dtype=torch.bool, device=query.device).triu(1)
    scores = query @ key.transpose(-1, -2) * head**-0.5
    probabilities = scores.masked_fill(hidden, -torch.inf).softmax(-1)
    return arithmetic.round((probabilities @ value).transpose(1, 2).flatten(2))


def gpt2_logits(weights, tokens, heads, arithmetic):
    round = arithmetic.round

    def norm(name, x):
        return round(F.layer_norm(x, x.shape[-1:], weights[f"{name}.weight"], weights[f"{name}.bias"], eps=1e-5))

    def linear(name, x):
        return round(arithmetic.product(name, x, weights[f"{name}.weight"]) + weights[f"{name}.bias"])

    x = round(round(weights["wte.weight"][tokens]) + weights["wpe.weight"])
    for h in layers(weights):
        qkv = linear(f"{h}/attn/qkv", norm(f"{h}/ln_1", x))
        x = round(x + linear(f"{h}/attn/proj", attention(*qkv.chunk(3, -1), heads, arithmetic)))
        y = round(F.gelu(linear(f"{h}/mlp/fc", norm(f"{h}/ln_2", x)), approximate="tanh"))
        x = round(x + linear(f"{h}/mlp/proj", y))
    return arithmetic.product("lm_head", norm("ln_f", x), weights["wte.weight"].T)


def llama_logits(weights, tokens, heads, arithmetic):
    round = arithmetic.round

    def norm(name, x):
        return round(F.rms_norm(x, x.shape[-1:], weights[f"{name}.weight"], eps=1e-5))

    def linear(name, x):
        return round(arithmetic.product(name, x, weights[f"{name}.weight"]))

    def rotate(x, head):
        first, second = x.unflatten(-1, (-1, 2, head // 2)).unbind(-2)
        position = torch.arange(x.shape[1], device=x.device, dtype=torch.float64)
        angle = position[:, None] * 10000.0 ** (-2 * torch.arange(head // 2, device=x.device) / head)
        cos, sin = angle.cos().float()[:, None], angle.sin().float()[:, None]
        rotated = torch.stack((first * cos - second * sin, second * cos + first * sin), -2)
        return round(rotated.flatten(-3))

    x = round(weights["wte.weight"][tokens])
    head = x.shape[-1] // heads
    for h in layers(weights):
        y = norm(f"{h}/ln_1", x)
        query, key, value = (linear(f"{h}/attn/{part}", y) for part in "qkv")
        y = attention(rotate(query, head), rotate(key, head), value, heads, arithmetic)
        x = round(x + linear(f"{h}/attn/proj", y))
        y = norm(f"{h}/ln_2", x)
        gate, up = linear(f"{h}/mlp/gate", y), linear(f"{h}/mlp/up", y)
        silu = round(gate * round(torch.sigmoid(gate)))
        x = round(x + linear(f"{h}/mlp/down", round(silu * up)))
    return arithmetic.product("lm_head", norm("ln_f", x), weights["lm_head.weight"])


def layers(weights):
    count = 0
    while f"h.{count}/ln_1.weight" in weights:
        yield f"h.{count}"
        count += 1


def loss_of(weights, tokens, targets, heads, arithmetic):
    """The mean cross-entropy, in nats per token; tokens and targets are [batch, seq]."""
    logits_of = gpt2_logits if "wpe.weight" in weights else llama_logits
    return F.cross_entropy(logits_of(weights, tokens, heads, arithmetic).flatten(0, 1), targets.flatten())


def gradients_of(weights, batch, heads, arithmetic):
    """The loss and the gradients by name."""
    weights = {name: weight.to(DEVICE, copy=True).requires_grad_() for name, weight in weights.items()}
    loss = loss_of(weights, batch["tokens"].to(DEVICE), batch["targets"].to(DEVICE), heads, arithmetic)
    loss.backward()
    return loss.item(), {name: weight.grad.cpu() for name, weight in weights.items()}


# ------------------------------------------------------------------------------
# Programs
# ------------------------------------------------------------------------------

DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "F8_E4M3": torch.float8_e4m3fn,
          "F8_E5M2": torch.float8_e5m2, "I64": torch.int64}  # fmt: skip


def read_safetensors(path):
    data = bytearray(pathlib.Path(path).read_bytes())
    start = 8 + int.from_bytes(data[:8], "little")
    tensors = {}
    for name, entry in json.loads(data[8:start]).items():
        if name != "__metadata__" and entry["dtype"] in DTYPES:
            dtype, (first, last) = DTYPES[entry["dtype"]], entry["data_offsets"]
            count = (last - first) // dtype.itemsize
            tensors[name] = torch.frombuffer(data, dtype=dtype, count=count, offset=start + first).view(entry["shape"])
    return tensors


def write_safetensors(path, tensors):
    names = {dtype: name for name, dtype in DTYPES.items()}
    header, end = {}, 0
    for name, tensor in tensors.items():
        header[name] = {"dtype": names[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [end, end + tensor.nbytes]}
        end += tensor.nbytes
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for tensor in tensors.values():
            file.write(tensor.contiguous().numpy().tobytes())


def manifest_of(program):
    return json.loads((program / "manifest.json").read_text())


def trained(program, data, steps, lr, folder):
    """The parameters that the program has after some steps, by name."""
    options = ["--steps", steps, "--lr", lr, "--warmup", steps // 2, "--seed", 1]
    tool("fp8c-run", "train", program, "--data", data, *options, "--out", folder / "run")
    tensors = read_safetensors(folder / f"run/checkpoints/step-{steps:06}/model.safetensors")
    roles = {variable["name"]: variable["role"] for variable in manifest_of(program)["variables"]}
    return {name: tensor for name, tensor in tensors.items() if roles[name] == "parameter"}


def last_batch(program, data):
    """The last tokens of the file, in the shape of a micro-batch."""
    model = manifest_of(program)["model"]
    count = model["batch"] * model["seq"]
    tokens = torch.from_numpy(np.fromfile(data, "<u2")[-count - 1 :].astype(np.int64))
    if len(tokens) <= count:
        sys.exit(f"{data}: {count + 1} tokens are needed, it has {len(tokens)}")
    shape = model["batch"], model["seq"]
    return {"tokens": tokens[:-1].view(shape), "targets": tokens[1:].view(shape)}


def call(program, tensors, folder):
    """What the program makes of one micro-batch: the loss and all variables."""
    functions = manifest_of(program)["functions"]
    inputs, outputs = folder / "in.safetensors", folder / "out.safetensors"
    write_safetensors(inputs, tensors)
    names = "calibrate,micro" if "calibrate" in functions else "micro"
    tool("fp8c-run", "call", program, names, "--inputs", inputs, "--outputs", outputs)
    return read_safetensors(outputs)


# ------------------------------------------------------------------------------
# Comparison
# ------------------------------------------------------------------------------


def parts(name, gradient):
    """A gradient, or the parts of it that mean something. A bias of keys moves all scores
    of a query alike, which softmax does not see: its gradient is zero but for rounding."""
    if name.endswith("attn/qkv.bias"):
        query, _, value = gradient.chunk(3)
        return {f"{name} (query)": query, f"{name} (value)": value}
    return {name: gradient}


def cosine(a, b):
    a, b = a.double().flatten(), b.double().flatten()
    return (a @ b / (a.norm() * b.norm())).item()


def cosines(found, expected):
    result = {}
    for name in expected:
        mine, theirs = parts(name, found[f"{name}.grad"]), parts(name, expected[name])
        result |= {part: cosine(mine[part], theirs[part]) for part in mine}
    return result


def compare(found, reference):
    loss, gradients = reference
    all = cosines(found, gradients)
    worst = min(all, key=lambda name: (all[name] == all[name], all[name]))  # NaN is worse than any
    return {"loss": abs(found["loss"].item() - loss), "lowest": all[worst], "of": worst,
            "median": float(np.median(list(all.values()))), "parameters": len(all)}  # fmt: skip


def check(recipe, exact, emulated):
    """What is out of bounds; so is what is not a number."""
    bounds = BOUNDS[recipe]
    if not exact["loss"] <= bounds.loss:
        yield f"{recipe}: the loss differs by {exact['loss']:.1e}, more than {bounds.loss:.0e}"
    if not exact["lowest"] >= bounds.lowest:
        yield f"{recipe}: {exact['of']} has a cosine of {exact['lowest']:.5f}, below {bounds.lowest}"
    if not exact["median"] >= bounds.median:
        yield f"{recipe}: the median cosine is {exact['median']:.5f}, below {bounds.median}"
    if emulated and not emulated["lowest"] >= bounds.emulated:
        yield f"{recipe}: {emulated['of']} has a cosine of {emulated['lowest']:.5f} with the emulation, below {bounds.emulated}"


def measure(args, folder):
    programs = {recipe: pathlib.Path(f"{args.prefix}-{recipe}.fp8x") for recipe in BOUNDS}
    programs = {recipe: path for recipe, path in programs.items() if path.exists()}
    if "f32" not in programs or len(programs) == 1:
        sys.exit(f"{args.prefix}: there must be {args.prefix}-f32.fp8x and one of another recipe: {', '.join(BOUNDS)}")
    weights = trained(programs["f32"], args.data, args.steps, args.lr, folder)
    batch = last_batch(programs["f32"], args.data)
    heads = args.heads or weights["wte.weight"].shape[1] // 64
    exact = gradients_of(weights, batch, heads, Exact())
    print(f"PyTorch {torch.__version__} on {DEVICE}: loss {exact[0]:.5f} after {args.steps} steps")
    print(f"{'recipe':<14}{'reference':<11}{'loss':>9}{'median':>9}{'lowest':>9}  of")
    results, failures = {}, []
    for recipe, program in programs.items():
        found = call(program, {**batch, **weights}, folder)
        rows = {"exact": compare(found, exact)}
        if BOUNDS[recipe].emulated:
            variables = {name: tensor.to(DEVICE) for name, tensor in found.items()}
            rows["emulated"] = compare(found, gradients_of(weights, batch, heads, Emulated(variables)))
        for reference, row in rows.items():
            print(f"{recipe:<14}{reference:<11}{row['loss']:9.1e}{row['median']:9.5f}{row['lowest']:9.5f}  {row['of']}", flush=True)
        results[recipe] = rows
        failures += check(recipe, rows["exact"], rows.get("emulated"))
    save(args.save, {"torch": torch.__version__, "device": str(DEVICE), "steps": args.steps, "lr": args.lr,
                     "loss": exact[0], "recipes": results})  # fmt: skip
    if failures:
        sys.exit("FAILED: " + "; ".join(failures))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("prefix", help="of the programs' paths: PREFIX-f32.fp8x, PREFIX-bf16.fp8x ...")
    parser.add_argument("--data", required=True, help="tokens; the last of them are the batch that is compared")
    parser.add_argument("--steps", type=int, default=20, help="of f32 training beforehand")
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--heads", type=int, help="default: one for every 64 of the width, as in GPT-2")
    parser.add_argument("--save", help="JSON file for the results")
    args = parser.parse_args()
    torch.backends.cuda.matmul.allow_tf32 = False  # the default, which an environment variable overrides
    with tempfile.TemporaryDirectory() as folder:
        measure(args, pathlib.Path(folder))


if __name__ == "__main__":
    main()
