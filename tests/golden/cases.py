"""The golden cases: which model each one is, and how its checkpoint is stored.

A case is *seeded* (weights from seeded_weights.py, only the config is committed) or *files* (a small
checkpoint as transformers or torch.save wrote it, committed whole). Cases are named for what only
they show. "vocab_used" is the number of ids a tokenizer would know; further rows are padding.
"""

from dataclasses import dataclass


@dataclass
class Case:
    name: str
    family: str  # "gptj", "neox" or "gpt2"
    dtype: str  # of the files: "fp32", "fp16" or "bf16"
    config: dict  # as transformers' GPTJConfig, GPTNeoXConfig or GPT2Config takes it
    weights: str = "seeded"  # or "files"
    format: str = "safetensors"  # or "bin" (torch.save)
    shards: int = 1
    config_style: str = "new"  # "old": the field names of the checkpoints on the hub
    vocab_used: int = 0  # 0: all rows
    old_buffers: bool = False  # with the buffers that old checkpoints carry
    bare_names: bool = False  # without the name of the body ("transformer."), as GPT-2's on the hub
    odd_strides: bool = False  # with transposed and offset tensors
    gelu_tail: bool = False  # feeds GELU where exact and tanh differ by 2 %, see checkpoints.py
    seed: int = 1
    notes: str = ""


def gptj(heads, d_head, rotary, layers, vocab, context, d_ff=None, act="gelu_new", eps=1e-5):
    return dict(n_head=heads, n_embd=heads * d_head, rotary_dim=rotary, n_layer=layers, vocab_size=vocab,
                n_positions=context, n_inner=d_ff, activation_function=act, layer_norm_epsilon=eps,
                bos_token_id=vocab - 1, eos_token_id=vocab - 1)  # fmt: skip


def neox(heads, d_head, layers, vocab, context, d_ff, act="gelu", rotary_pct=0.25, base=10000.0,
         parallel=True, bias=True, eps=1e-5):  # fmt: skip
    return dict(num_attention_heads=heads, hidden_size=heads * d_head, num_hidden_layers=layers, vocab_size=vocab,
                max_position_embeddings=context, intermediate_size=d_ff, hidden_act=act,
                rope_parameters=dict(rope_type="default", rope_theta=base, partial_rotary_factor=rotary_pct),
                use_parallel_residual=parallel, attention_bias=bias, layer_norm_eps=eps,
                bos_token_id=0, eos_token_id=0)  # fmt: skip


def gpt2(heads, d_head, layers, vocab, context, d_ff=None, act="gelu_new", eps=1e-5, **more):
    return dict(n_head=heads, n_embd=heads * d_head, n_layer=layers, vocab_size=vocab, n_positions=context,
                n_inner=d_ff, activation_function=act, layer_norm_epsilon=eps, bos_token_id=vocab - 1,
                eos_token_id=vocab - 1, **more)  # fmt: skip


CASES = [
    Case("gptj_16_heads", "gptj", "fp32", gptj(16, 16, 8, 3, 509, 64), gelu_tail=True,
         notes="feed-forward width from n_inner null; rotary part half of a head"),
    Case("gptj_d_head_256_old_config", "gptj", "bf16", gptj(3, 256, 64, 1, 320, 96, d_ff=1000), shards=3,
         config_style="old", vocab_used=307, notes="the head of GPT-J 6B; config.json as GPT-J 6B's on the hub"),
    Case("gptj_5_heads_fp16", "gptj", "fp16", gptj(5, 24, 12, 2, 1031, 160, d_ff=333, eps=1e-3),
         notes="nothing divides evenly; an epsilon large enough to matter"),
    Case("gptj_12_heads_exact_gelu", "gptj", "bf16", gptj(12, 20, 20, 2, 401, 80, d_ff=500, act="gelu"), gelu_tail=True,
         notes="rotary over the whole head; exact GELU, which a fine-tuned GPT-J may name"),
    Case("neox_12_heads_pythia_config", "neox", "fp16", neox(12, 32, 2, 320, 128, 1536), shards=4,
         config_style="old", vocab_used=307, gelu_tail=True, notes="config.json as Pythia's on the hub; padded vocabulary"),
    Case("neox_d_head_80", "neox", "bf16", neox(5, 80, 2, 499, 112, 1600), notes="the head of Pythia 2.8B: 20 rotary dims"),
    Case("neox_d_head_256", "neox", "fp16", neox(2, 256, 1, 353, 72, 1021), notes="the head of Pythia 1B: 64 rotary dims"),
    Case("neox_sequential_residual", "neox", "fp32",
         neox(5, 32, 3, 613, 100, 321, act="gelu_fast", rotary_pct=1.0, base=25000.0, parallel=False), gelu_tail=True,
         notes="two reductions per block; tanh GELU as gpt-neox-20b's; rotary over the whole head, another base"),
    Case("neox_sequential_exact_gelu", "neox", "bf16", neox(12, 16, 2, 257, 64, 700, parallel=False), shards=2,
         config_style="old", notes="use_parallel_residual false with exact GELU, as OpenAssistant-style checkpoints"),
    Case("neox_no_attention_bias", "neox", "fp32", neox(16, 24, 2, 331, 64, 777, bias=False, eps=1e-3, act="gelu_new"),
         notes="attention_bias false: neither query_key_value nor dense has a bias"),
    Case("neox_unit_rotary_pct_16_heads", "neox", "fp16", neox(16, 16, 2, 512, 90, 640, rotary_pct=1.0), vocab_used=480,
         shards=2, notes="rotary_pct 1.0 with the standard base; padded vocabulary"),
    Case("gptj_saved_single", "gptj", "fp16", gptj(5, 12, 4, 2, 97, 64), weights="files",
         notes="save_pretrained, one file"),
    Case("gptj_saved_sharded", "gptj", "bf16", gptj(6, 10, 10, 2, 103, 64, d_ff=200), weights="files", shards=4,
         vocab_used=101, notes="save_pretrained with a small max_shard_size"),
    Case("gptj_torch_bin_old_buffers", "gptj", "fp32", gptj(6, 8, 4, 2, 131, 48, d_ff=150), weights="files", format="bin",
         config_style="old", old_buffers=True, notes="pytorch_model.bin with attn.bias and attn.masked_bias"),
    Case("neox_saved_single", "neox", "bf16", neox(6, 8, 3, 127, 64, 193), weights="files", notes="save_pretrained, one file"),
    Case("neox_saved_sharded", "neox", "fp32", neox(5, 8, 2, 149, 64, 160, act="gelu_fast"), weights="files", shards=4,
         notes="save_pretrained with a small max_shard_size"),
    Case("neox_torch_bin_sharded_odd_strides", "neox", "fp16", neox(6, 16, 1, 150, 64, 301), weights="files", format="bin",
         shards=3, config_style="old", vocab_used=139, old_buffers=True, odd_strides=True,
         notes="sharded .bin with old buffers, transposed tensors and views into one shared storage"),
    Case("neox_torch_bin_bf16_sequential", "neox", "bf16", neox(5, 10, 2, 111, 64, 200, parallel=False, rotary_pct=0.4),
         weights="files", format="bin", notes="pytorch_model.bin in bf16; 4 rotary dims of 10"),
    Case("gpt2_12_heads", "gpt2", "fp32", gpt2(12, 16, 3, 509, 64), shards=3, gelu_tail=True,
         notes="learned positions, fused transposed QKV, a tied head"),
    Case("gpt2_5_heads_untied", "gpt2", "fp16",
         gpt2(5, 24, 2, 1031, 161, d_ff=333, eps=1e-3, tie_word_embeddings=False), vocab_used=1000,
         notes="nothing divides evenly, the positions neither; a head of its own"),
    Case("gpt2_scores_by_layer", "gpt2", "bf16",
         gpt2(8, 20, 3, 401, 80, d_ff=500, act="gelu", scale_attn_by_inverse_layer_idx=True,
              reorder_and_upcast_attn=True), bare_names=True,
         notes="scores divided by the layer's number, as Stanford's Mistral models; exact GELU; bare names"),
    Case("gpt2_torch_bin_of_the_hub", "gpt2", "fp32", gpt2(6, 8, 2, 131, 48), weights="files", format="bin", shards=2,
         config_style="old", bare_names=True, old_buffers=True,
         notes="config.json and names of GPT-2's on the hub, with its masks; sharded .bin"),
    Case("gpt2_saved_sharded", "gpt2", "bf16", gpt2(5, 10, 2, 103, 64, d_ff=200), weights="files", shards=4,
         vocab_used=101, notes="save_pretrained with a small max_shard_size"),
]  # fmt: skip
