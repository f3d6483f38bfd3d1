"""The models of the set: configurations of a few thousand parameters.

Sizes are odd on purpose, and no two of a model are equal where they need not be.
"""

from dataclasses import dataclass

import transformers as hf

from nanogpt import NanoGPT

LAYERS, SEQ, BATCH = 2, 13, 3
POSITIONS = 16  # more than are used: tables of positions and masks are sliced


@dataclass
class Family:
    kind: str  # decoder, encoder or vision
    make: callable  # of the attention's implementation and further settings
    vocab: int = 0


def transformer(model, config, **sizes):
    """A model of Hugging Face, without dropout and without a cache."""

    def make(attention, **settings):
        settings = {**sizes, "use_cache": False, **settings}
        made = config(**settings)
        made._attn_implementation = attention
        return model(made)

    return make


def nano(attention, **settings):
    sizes = dict(vocab=65, width=24, heads=3, layers=LAYERS, block=POSITIONS)
    return NanoGPT(**sizes, sdpa=attention == "sdpa", **settings)


no_dropout = dict(hidden_dropout=0.0, attention_dropout=0.0)
llama_like = dict(
    hidden_size=32, num_attention_heads=4, num_key_value_heads=2, intermediate_size=40,
    num_hidden_layers=LAYERS, max_position_embeddings=64, pad_token_id=None, bos_token_id=1, eos_token_id=2,
)

FAMILIES = {
    "nanogpt": Family("decoder", nano, 65),
    "gpt2": Family("decoder", transformer(
        hf.GPT2LMHeadModel, hf.GPT2Config, vocab_size=67, n_embd=24, n_head=3, n_layer=LAYERS, n_positions=POSITIONS,
        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=1, eos_token_id=2), 67),
    "llama": Family("decoder", transformer(hf.LlamaForCausalLM, hf.LlamaConfig, vocab_size=71, **llama_like), 71),
    "qwen2": Family("decoder", transformer(hf.Qwen2ForCausalLM, hf.Qwen2Config, vocab_size=73, **llama_like), 73),
    "qwen3": Family("decoder", transformer(
        hf.Qwen3ForCausalLM, hf.Qwen3Config, vocab_size=79, head_dim=12, **llama_like), 79),
    "gemma2": Family("decoder", transformer(
        hf.Gemma2ForCausalLM, hf.Gemma2Config, vocab_size=83, head_dim=12, sliding_window=5,
        query_pre_attn_scalar=12, **llama_like), 83),
    "opt": Family("decoder", transformer(
        hf.OPTForCausalLM, hf.OPTConfig, vocab_size=85, hidden_size=24, word_embed_proj_dim=24, num_attention_heads=3,
        ffn_dim=56, num_hidden_layers=LAYERS, max_position_embeddings=POSITIONS, dropout=0.0, pad_token_id=1,
        bos_token_id=2, eos_token_id=2), 85),
    "neox": Family("decoder", transformer(
        hf.GPTNeoXForCausalLM, hf.GPTNeoXConfig, vocab_size=87, hidden_size=32, num_attention_heads=2,
        num_hidden_layers=LAYERS, intermediate_size=56, max_position_embeddings=64, rotary_pct=0.25,
        bos_token_id=1, eos_token_id=2, **no_dropout), 87),
    "bloom": Family("decoder", transformer(
        hf.BloomForCausalLM, hf.BloomConfig, vocab_size=89, hidden_size=24, n_head=3, n_layer=LAYERS,
        pad_token_id=3, bos_token_id=1, eos_token_id=2, **no_dropout), 89),
    "mpt": Family("decoder", transformer(
        hf.MptForCausalLM, hf.MptConfig, vocab_size=91, d_model=24, n_heads=3, n_layers=LAYERS, expansion_ratio=2,
        max_seq_len=POSITIONS, resid_pdrop=0.0, emb_pdrop=0.0, bos_token_id=1, eos_token_id=2), 91),
    "t5": Family("encoder", transformer(
        hf.T5EncoderModel, hf.T5Config, vocab_size=93, d_model=24, d_kv=10, d_ff=56, num_layers=LAYERS, num_heads=3,
        relative_attention_num_buckets=8, relative_attention_max_distance=16, dropout_rate=0.0), 93),
    "bert": Family("encoder", transformer(
        hf.BertForMaskedLM, hf.BertConfig, vocab_size=95, hidden_size=24, num_attention_heads=3,
        num_hidden_layers=LAYERS, intermediate_size=56, max_position_embeddings=POSITIONS, hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0), 95),
    "vit": Family("vision", transformer(
        hf.ViTForImageClassification, hf.ViTConfig, hidden_size=24, num_attention_heads=3, num_hidden_layers=LAYERS,
        intermediate_size=56, image_size=12, patch_size=4, num_channels=3, num_labels=7, hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0)),
}
