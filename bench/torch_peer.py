#!/usr/bin/env python3
"""How fast PyTorch trains the models of scripts/gpu-check, on one GPU, or, started by
torchrun, on one a process with DistributedDataParallel and gradients in bf16 on the wire.

A run is MODEL:MODE:BATCH, as 124m:bf16:64. Every mode has f32 parameters and AdamW
moments, bf16 autocast, flash attention, torch.compile, fused AdamW, gradients
clipped to norm 1, and a vocabulary of 50,304. `fp8` takes the products of the blocks
through torch._scaled_mm: one scale per tensor from the value's own amax, x and w
in e4m3, dy in e5m2, fast accumulation forward only, the LM head in bf16.

A step's time is the median between CUDA events of 12 steps after 6. FLOPs per token
are 6 for every parameter but those of positions (the token table counts once, as the
head's weight) and 6 * layers * width * seq for causal attention: forward 2 products
of 2 * width * seq / 2, and twice that backward. Memory is the most that PyTorch had
allocated. The data are random tokens. Of several processes each has BATCH sequences,
and the first one speaks.

usage: torch_peer.py RUN... [--save FILE]
"""

import argparse
import gc
import os
import statistics
import sys
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from common import save

VOCAB, TOKENS = 50304, 50257  # padded, used
WARM, STEPS = 6, 12
PROCESSES, RANK = int(os.environ.get("WORLD_SIZE", 1)), int(os.environ.get("RANK", 0))


@dataclass(frozen=True)
class Size:
    layers: int
    width: int
    heads: int
    seq: int = 1024


SIZES = {
    "124m": Size(12, 768, 12),
    "355m": Size(24, 1024, 16),
    "774m": Size(36, 1280, 20),
    "1558m": Size(48, 1600, 25),
    "7b-x4": Size(4, 4096, 32, seq=2048),  # GPT-3 7B's widths
}

# ------------------------------------------------------------------------------
# Products in FP8
# ------------------------------------------------------------------------------


def quantize(x, dtype):
    """x in FP8 and the inverse of its scale, which is largest / amax."""
    largest = torch.finfo(dtype).max
    scale = largest / x.abs().amax().float().clamp(min=1e-12)
    return (x.float() * scale).clamp(-largest, largest).to(dtype), scale.reciprocal()


def transposed(x):
    """x with its columns contiguous: the layout of a product's second operand."""
    return x.t().contiguous().t()


class FP8Linear(torch.autograd.Function):
    """y = x w^T for x [tokens, in] and w [out, in], both in bf16."""

    @staticmethod
    def forward(context, x, w):
        (x, x_inv), (w, w_inv) = quantize(x, torch.float8_e4m3fn), quantize(w, torch.float8_e4m3fn)
        context.save_for_backward(x, x_inv, w, w_inv)
        return torch._scaled_mm(x, w.t(), scale_a=x_inv, scale_b=w_inv, out_dtype=torch.bfloat16, use_fast_accum=True)

    @staticmethod
    def backward(context, dy):
        x, x_inv, w, w_inv = context.saved_tensors
        dy, dy_inv = quantize(dy, torch.float8_e5m2)
        dx = torch._scaled_mm(dy, transposed(w), scale_a=dy_inv, scale_b=w_inv, out_dtype=torch.bfloat16)
        dw = torch._scaled_mm(dy.t().contiguous(), transposed(x), scale_a=dy_inv, scale_b=x_inv, out_dtype=torch.bfloat16)
        return dx, dw


class Linear(nn.Linear):
    fp8 = False

    def forward(self, x):
        if not self.fp8:
            return super().forward(x)
        y = FP8Linear.apply(x.flatten(0, -2).bfloat16(), self.weight.bfloat16())
        return y.unflatten(0, x.shape[:-1]) + self.bias.bfloat16()


# ------------------------------------------------------------------------------
# The model
# ------------------------------------------------------------------------------


class Block(nn.Module):
    def __init__(self, size):
        super().__init__()
        width, self.heads = size.width, size.heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.attention = Linear(width, 3 * width), Linear(width, width)
        self.up, self.down = Linear(width, 4 * width), Linear(4 * width, width)

    def forward(self, x):
        heads = self.qkv(self.norm1(x)).unflatten(-1, (3, self.heads, -1))  # [batch, seq, 3, heads, head]
        query, key, value = heads.permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + self.attention(y.transpose(1, 2).flatten(2))
        return x + self.down(F.gelu(self.up(self.norm2(x)), approximate="tanh"))


class GPT2(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(VOCAB, size.width), nn.Embedding(size.seq, size.width)
        self.blocks, self.norm = nn.ModuleList(Block(size) for _ in range(size.layers)), nn.LayerNorm(size.width)
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.normal_(parameter, std=0.02)

    def forward(self, tokens, targets):
        x = self.tokens(tokens) + self.positions.weight
        for block in self.blocks:
            x = block(x)
        logits = F.linear(self.norm(x), self.tokens.weight)  # the table is the head
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


def flops_per_token(model, size):
    parameters = sum(parameter.numel() for parameter in model.parameters()) - model.positions.weight.numel()
    return 6 * parameters + 6 * size.layers * size.width * size.seq


# ------------------------------------------------------------------------------
# Runs
# ------------------------------------------------------------------------------


def parallel(model):
    """The model, whose gradients are averaged over processes if there are several."""
    if PROCESSES == 1:
        return model
    from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import bf16_compress_hook

    model = nn.parallel.DistributedDataParallel(model, gradient_as_bucket_view=True)
    model.register_comm_hook(None, bf16_compress_hook)
    return model


def train(model, tokens):
    """The times between the ends of steps, in ms."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4, betas=(0.9, 0.95), weight_decay=0.1, fused=True)
    compiled = torch.compile(parallel(model))
    events = []
    for _ in range(WARM + STEPS + 1):
        with torch.autocast("cuda", torch.bfloat16):
            loss = compiled(tokens[:, :-1], tokens[:, 1:])
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        events.append(torch.cuda.Event(enable_timing=True))
        events[-1].record()
    torch.cuda.synchronize()
    if not loss.isfinite():
        sys.exit("the loss is not finite")
    return [start.elapsed_time(end) for start, end in zip(events[WARM:], events[WARM + 1 :])]


def measure(name, mode, batch):
    size = SIZES[name]
    torch.manual_seed(1)
    torch.cuda.reset_peak_memory_stats()
    with torch.device("cuda"):
        model = GPT2(size)
        tokens = torch.randint(TOKENS, (batch, size.seq + 1))
    for module in model.modules():
        if isinstance(module, Linear):
            module.fp8 = mode == "fp8"
    ms = statistics.median(train(model, tokens))
    rate = batch * size.seq / ms * 1e3
    flops = flops_per_token(model, size)
    return {"ms": ms, "tokens_per_s": rate, "flops_per_token": flops, "tflops": flops * rate / 1e12,
            "gib": torch.cuda.max_memory_allocated() / 2**30}  # fmt: skip


def parse(text):
    name, mode, batch = (text.split(":") + ["", ""])[:3]
    if name not in SIZES or mode not in ("bf16", "fp8") or not batch.isdigit() or int(batch) == 0:
        raise argparse.ArgumentTypeError(f"'{text}' is not MODEL:MODE:BATCH of {', '.join(SIZES)} and bf16 or fp8")
    return name, mode, int(batch)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=parse, nargs="+", metavar="RUN")
    parser.add_argument("--save", help="JSON file for the results")
    args = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("PyTorch finds no GPU")
    # Flash attention alone: the others would only hide that it does not take a shape.
    torch.backends.cuda.enable_math_sdp(False)
    torch.backends.cuda.enable_mem_efficient_sdp(False)
    torch.backends.cuda.enable_cudnn_sdp(False)
    if PROCESSES > 1:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        torch.distributed.init_process_group("nccl")
        if RANK:
            sys.stdout = open(os.devnull, "w")
    rows = []
    for name, mode, batch in args.runs:
        row = {"model": name, "mode": mode, "batch": batch}
        try:
            row |= measure(name, mode, batch)
            print(f"{name:>6} x {batch:<3} {mode:5} {row['ms']:9.1f} ms {row['tokens_per_s']:11,.0f} tokens/s "
                  f"{row['tflops']:6.0f} TFLOP/s {row['gib']:6.1f} GiB", flush=True)  # fmt: skip
        except torch.cuda.OutOfMemoryError:
            row["error"] = "out of memory"
            print(f"{name:>6} x {batch:<3} {mode:5} out of memory", flush=True)
        rows.append(row)
        torch._dynamo.reset()
        gc.collect()
        torch.cuda.empty_cache()
        save(args.save if RANK == 0 else None, {"device": torch.cuda.get_device_name(), "torch": torch.__version__, "runs": rows})


if __name__ == "__main__":
    main()
