"""The table of exports: which model, exported how.

What the exporters of requirements.txt cannot do, and is therefore not here:

- TorchScript, models of Hugging Face that see no attention mask at all: `aten::diff`
  (they look for packed sequences). They get a mask, as an input or made of ones by a
  wrapper.
- TorchScript: a cache among the outputs, opsets after 20.
- dynamo: opsets before 18. It writes 18, and what it converts that to, if it can, is
  not valid (a Split with num_outputs).
- A cache with dynamic shapes; Gemma 2 with sdpa (its scores have a cap).

With opset 23 and dynamic shapes the rotary caches have batch 1, which onnxruntime
refuses; those files stay, because PyTorch says what they compute.
"""

from dataclasses import dataclass, field


@dataclass
class Case:
    family: str
    exporter: str  # dynamo or torchscript
    opset: int
    attention: str = "eager"
    dynamic: bool = False  # batch and sequence
    mask: bool = False  # attention_mask is an input
    loss: bool = False  # the graph computes its own loss
    optimize: bool = True  # of the dynamo exporter
    past: bool = False  # keys and values are outputs
    wrapped: bool = False  # a module around the model makes the mask and takes the logits
    defaults: bool = False  # norms and biases as PyTorch initialises them: exporters merge equal tensors
    settings: dict = field(default_factory=dict)  # of the configuration
    tag: str = ""

    @property
    def name(self):
        words = [self.family, self.tag, ("d" if self.exporter == "dynamo" else "ts") + str(self.opset), self.attention]
        flags = {"dyn": self.dynamic, "mask": self.mask, "loss": self.loss, "raw": not self.optimize,
                 "past": self.past, "wrapped": self.wrapped, "defaults": self.defaults}
        return "-".join([word for word in words if word] + [flag for flag, on in flags.items() if on])


def dynamo(family, opset, flags="", tag="", **settings):
    return case(family, "dynamo", opset, flags, tag, settings)


def script(family, opset, flags="", tag="", **settings):
    return case(family, "torchscript", opset, flags, tag, settings)


def case(family, exporter, opset, flags, tag, settings):
    words = flags.split()
    options = {word: True for word in words if word not in ("sdpa", "raw")}
    return Case(family, exporter, opset, "sdpa" if "sdpa" in words else "eager", optimize="raw" not in words,
                settings=settings, tag=tag, **options)


CASES = [
    dynamo("nanogpt", 18),
    dynamo("nanogpt", 20, "sdpa dynamic"),
    dynamo("nanogpt", 23, "sdpa"),
    dynamo("nanogpt", 18, "loss"),
    dynamo("nanogpt", 18, "sdpa dynamic loss defaults"),
    dynamo("nanogpt", 18, "raw"),
    script("nanogpt", 14, "dynamic"),
    script("nanogpt", 17, "sdpa loss"),
    script("nanogpt", 18, "sdpa dynamic"),
    script("nanogpt", 20, "defaults"),

    dynamo("gpt2", 18),
    dynamo("gpt2", 18, "sdpa dynamic mask"),
    dynamo("gpt2", 18, "mask defaults"),
    dynamo("gpt2", 18, "raw"),
    dynamo("gpt2", 20, "sdpa past"),
    dynamo("gpt2", 23, "sdpa mask loss"),
    script("gpt2", 14, "mask"),
    script("gpt2", 17, "sdpa dynamic mask"),
    script("gpt2", 17, "wrapped"),
    script("gpt2", 20, "mask defaults"),

    dynamo("llama", 18, "sdpa"),
    dynamo("llama", 18, "mask defaults"),
    dynamo("llama", 18, "loss", "tied", tie_word_embeddings=True),
    dynamo("llama", 20, "sdpa dynamic mask raw"),
    dynamo("llama", 23, "sdpa dynamic mask"),
    dynamo("llama", 20, "sdpa wrapped"),
    script("llama", 14, "sdpa dynamic mask"),
    script("llama", 17, "mask", "tied", tie_word_embeddings=True),
    dynamo("llama", 18, "mask past"),
    script("llama", 18, "mask loss"),

    dynamo("qwen2", 18),
    dynamo("qwen2", 20, "sdpa dynamic mask"),
    dynamo("qwen2", 23, "sdpa", "tied", tie_word_embeddings=True),
    script("qwen2", 17, "sdpa dynamic mask"),
    script("qwen2", 14, "mask loss"),

    dynamo("qwen3", 18, "loss"),
    dynamo("qwen3", 23, "sdpa dynamic"),
    script("qwen3", 17, "mask"),
    script("qwen3", 20, "sdpa dynamic mask", "tied", tie_word_embeddings=True),

    dynamo("gemma2", 18),
    dynamo("gemma2", 20, "dynamic mask"),
    dynamo("gemma2", 23, "mask"),
    dynamo("gemma2", 18, "raw"),
    script("gemma2", 17, "mask"),

    dynamo("opt", 18, "mask"),
    dynamo("opt", 23, "sdpa dynamic mask"),
    script("opt", 17, "mask loss"),
    script("opt", 14, "sdpa dynamic mask"),

    dynamo("neox", 18),
    dynamo("neox", 20, "sdpa dynamic mask"),
    script("neox", 17, "mask loss"),
    script("neox", 14, "sdpa mask"),

    dynamo("bloom", 18, "mask"),
    dynamo("bloom", 20, "dynamic mask loss"),
    script("bloom", 17, "dynamic mask"),
    script("bloom", 14, "mask defaults"),

    dynamo("mpt", 18),
    dynamo("mpt", 20, "dynamic mask"),
    script("mpt", 17),
    script("mpt", 14, "dynamic mask"),

    dynamo("t5", 18, "mask"),
    dynamo("t5", 20, "dynamic mask"),
    script("t5", 17, "mask"),
    script("t5", 14, "dynamic mask"),

    dynamo("bert", 18, "mask loss"),
    dynamo("bert", 18, "sdpa"),
    dynamo("bert", 23, "sdpa dynamic mask"),
    script("bert", 14, "mask"),
    script("bert", 17, "sdpa dynamic mask loss"),

    dynamo("vit", 18),
    dynamo("vit", 20, "sdpa dynamic"),
    script("vit", 17, "loss"),
    script("vit", 14, "sdpa dynamic"),
]  # fmt: skip
