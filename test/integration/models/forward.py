"""The forward passes of the model families in plain numpy, from the papers.

They read a model's parameters by name and share nothing with the graphs, so a
wrong wire in a graph shows. Shapes: B batch, T sequence, D width, H heads.
"""

import numpy as np


def layer_norm(x, p, name):
    centred = x - x.mean(-1, keepdims=True)
    rstd = 1 / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
    return centred * rstd * p[name + ".weight"] + p[name + ".bias"]


def rms_norm(x, p, name, epsilon=1e-5):
    return x / np.sqrt((x**2).mean(-1, keepdims=True) + epsilon) * p[name + ".weight"]


def attention(q, k, v):
    """Causal attention of [B, H, T, d] tensors, as [B, T, H d]."""
    scores = q @ k.swapaxes(-1, -2) / np.sqrt(q.shape[-1])
    future = np.triu(np.ones(scores.shape[-2:], bool), 1)
    scores = np.where(future, -np.inf, scores)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    out = (weights @ v).swapaxes(1, 2)
    return out.reshape(*out.shape[:2], -1)


def split_heads(x, heads):
    """[B, T, D] as [B, H, T, D / H]."""
    return x.reshape(*x.shape[:2], heads, -1).swapaxes(1, 2)


def swiglu(x, linear, mlp):
    gate = linear(x, f"{mlp}/gate")
    return linear(gate / (1 + np.exp(-gate)) * linear(x, f"{mlp}/up"), f"{mlp}/down")


def head(x, p):
    """The logits; without a weight of its own the head is tied to the embedding."""
    weight = p["lm_head.weight"] if "lm_head.weight" in p else p["wte.weight"].T
    return x @ weight


def gpt(p, tokens, layers, heads):
    def linear(x, name):
        return x @ p[name + ".weight"] + p[name + ".bias"]

    def gelu_mlp(x, mlp):
        a = linear(x, f"{mlp}/fc")
        a = 0.5 * a * (1 + np.tanh(np.sqrt(2 / np.pi) * (a + 0.044715 * a**3)))
        return linear(a, f"{mlp}/proj")

    x = p["wte.weight"][tokens] + p["wpe.weight"][: tokens.shape[1]]
    for h in (f"h.{i}" for i in range(layers)):
        qkv = linear(layer_norm(x, p, f"{h}/ln_1"), f"{h}/attn/qkv")
        q, k, v = (split_heads(part, heads) for part in np.split(qkv, 3, -1))
        x = x + linear(attention(q, k, v), f"{h}/attn/proj")
        y = layer_norm(x, p, f"{h}/ln_2")
        is_gated = f"{h}/mlp/gate.weight" in p
        x = x + (swiglu(y, linear, f"{h}/mlp") if is_gated else gelu_mlp(y, f"{h}/mlp"))
    return head(layer_norm(x, p, "ln_f"), p)


def rotate(x, theta):
    """Rotary positions on [B, H, T, d], as complex numbers x[i] + j x[i + d/2]."""
    t, half = x.shape[2], x.shape[3] // 2
    angles = np.outer(np.arange(t), theta ** (-np.arange(half) / half))
    turned = (x[..., :half] + 1j * x[..., half:]) * np.exp(1j * angles)
    return np.concatenate([turned.real, turned.imag], -1)


def llama(p, tokens, layers, heads, kv_heads, theta=1e4, epsilon=1e-5):
    """Llama; with weights for q_norm and k_norm it is Qwen3."""

    def linear(x, name):
        return x @ p[name + ".weight"]

    def norm(x, name):
        return rms_norm(x, p, name, epsilon)

    def query_or_key(x, name, heads):
        x = split_heads(linear(x, name), heads)
        return rotate(norm(x, f"{name}_norm") if f"{name}_norm.weight" in p else x, theta)

    x = p["wte.weight"][tokens]
    for h in (f"h.{i}" for i in range(layers)):
        y = norm(x, f"{h}/ln_1")
        q = query_or_key(y, f"{h}/attn/q", heads)
        k = query_or_key(y, f"{h}/attn/k", kv_heads)
        v = split_heads(linear(y, f"{h}/attn/v"), kv_heads)
        k, v = (np.repeat(part, heads // kv_heads, axis=1) for part in (k, v))
        x = x + linear(attention(q, k, v), f"{h}/attn/proj")
        x = x + swiglu(norm(x, f"{h}/ln_2"), linear, f"{h}/mlp")
    return head(norm(x, "ln_f"), p)
