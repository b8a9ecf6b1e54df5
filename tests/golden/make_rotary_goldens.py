"""Which rotary embedding transformers makes of a config.json: tests/golden/rotary.json.

Each case is a config.json and the cosines and sines of a few positions. The numbers come from the
class that the model itself uses, out of the configuration as from_pretrained() reads it.
"""

import json
import pathlib
import tempfile

import torch
from transformers import AutoConfig
from transformers.models.gpt_neox.modeling_gpt_neox import GPTNeoXRotaryEmbedding
from transformers.models.gptj.modeling_gptj import GPTJRotaryEmbedding

CONTEXT = 64
POSITIONS = [1, 5, 31, 63]

NEOX = dict(model_type="gpt_neox", hidden_size=64, num_attention_heads=2, num_hidden_layers=1, vocab_size=16,
            max_position_embeddings=CONTEXT, intermediate_size=64)  # fmt: skip
GPTJ = dict(model_type="gptj", n_embd=128, n_head=2, n_layer=1, vocab_size=16, n_positions=CONTEXT)

YARN = dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=16, partial_rotary_factor=1.0)
LLAMA3 = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
              original_max_position_embeddings=32, partial_rotary_factor=1.0)  # fmt: skip

CASES = {
    # Where base and fraction come from.
    "defaults": NEOX,
    "old names": NEOX | dict(rotary_emb_base=500, rotary_pct=0.5),
    "the whole head": NEOX | dict(rotary_pct=1.0),
    "names of other families do not count": NEOX | dict(rope_theta=77.0, partial_rotary_factor=0.75),
    "old names beside those of other families":
        NEOX | dict(rotary_emb_base=100000, rotary_pct=0.25, rope_theta=10000.0, partial_rotary_factor=0.5),
    "rope_parameters before old names":
        NEOX | dict(rope_parameters=dict(rope_theta=300.0, partial_rotary_factor=0.5, rope_type="default"),
                    rotary_emb_base=400, rotary_pct=1.0),
    "rope_parameters with a fraction alone":
        NEOX | dict(rope_parameters=dict(partial_rotary_factor=0.5), rotary_emb_base=400, rotary_pct=1.0),
    "rope_parameters with a base alone": NEOX | dict(rope_parameters=dict(rope_theta=300.0), rotary_pct=0.5),
    "rope_scaling replaces rope_parameters":
        NEOX | dict(rope_scaling=dict(rope_theta=300.0, type="default"),
                    rope_parameters=dict(rope_theta=900.0, partial_rotary_factor=1.0), rotary_pct=0.5),
    "rope_scaling null": NEOX | dict(rope_scaling=None, rope_parameters=dict(rope_theta=900.0)),
    "rope_scaling without members": NEOX | dict(rope_scaling={}, rope_parameters=dict(rope_theta=900.0)),
    "rope_parameters null": NEOX | dict(rope_parameters=None, rotary_emb_base=55),
    "rope_type before type":
        NEOX | dict(rope_scaling=dict(type="linear", rope_type="default", factor=3.0)),
    "an odd number of dims": NEOX | dict(hidden_size=40, rotary_pct=0.25),
    "a head_dim of its own": NEOX | dict(head_dim=24, rotary_pct=0.5),
    # Kinds.
    "linear": NEOX | dict(rope_scaling=dict(type="linear", factor=2.0), rotary_emb_base=400, rotary_pct=0.5),
    "linear in rope_parameters": NEOX | dict(rope_parameters=dict(rope_type="linear", factor=2.5)),
    "linear in rope_scaling beside rope_parameters":
        NEOX | dict(rope_scaling=dict(type="linear", factor=2.0),
                    rope_parameters=dict(rope_type="default", rope_theta=700.0, partial_rotary_factor=1.0)),
    "dynamic": NEOX | dict(rope_scaling=dict(type="dynamic", factor=2.0)),
    "dynamic with a factor that rounds": NEOX | dict(rope_scaling=dict(type="dynamic", factor=1.7), rotary_pct=1.0),
    "yarn": NEOX | dict(rope_scaling=YARN),
    "yarn of part of a head": NEOX | dict(rope_scaling=YARN | dict(partial_rotary_factor=0.5, rope_theta=500.0)),
    "yarn with whole numbers off": NEOX | dict(rope_scaling=YARN | dict(truncate=False)),
    "yarn with an attention factor": NEOX | dict(rope_scaling=YARN | dict(attention_factor=1.25)),
    "yarn with mscale": NEOX | dict(rope_scaling=YARN | dict(mscale=0.707, mscale_all_dim=1.5)),
    "yarn with mscale alone": NEOX | dict(rope_scaling=YARN | dict(mscale=0.707)),
    "yarn with betas": NEOX | dict(rope_scaling=YARN | dict(beta_fast=4, beta_slow=0.5)),
    "yarn without the context it was trained with":
        NEOX | dict(rope_scaling=dict(rope_type="yarn", factor=2.0, partial_rotary_factor=1.0)),
    "yarn with a factor of null": NEOX | dict(rope_scaling=YARN | dict(factor=None)),
    "yarn with that context outside":
        NEOX | dict(rope_scaling=YARN | dict(truncate=False), original_max_position_embeddings=40),
    "llama3": NEOX | dict(rope_scaling=LLAMA3 | dict(rope_theta=500.0)),
    "llama3 with that context outside": NEOX | dict(rope_scaling=LLAMA3, original_max_position_embeddings=50),
    # GPT-J knows its number of dims and nothing else.
    "gptj": GPTJ | dict(rotary_dim=16),
    "gptj without rotary_dim": GPTJ,
    "gptj with what it does not know":
        GPTJ | dict(rotary_dim=16, rope_scaling=dict(type="linear", factor=2.0), rope_theta=300.0, rotary_pct=0.5,
                    rope_parameters=dict(rope_type="linear", factor=4.0), rotary_emb_base=700),
}  # fmt: skip


def tables(folder):
    config = AutoConfig.from_pretrained(folder)
    x = torch.zeros(1, 1)
    positions = torch.tensor([POSITIONS])
    if config.model_type == "gptj":
        sin, cos = GPTJRotaryEmbedding(config)(x, positions)
        return cos[0], sin[0]
    cos, sin = GPTNeoXRotaryEmbedding(config)(x, positions)
    half = cos.shape[-1] // 2
    return cos[0, :, :half], sin[0, :, :half]


def rounded(table):
    return [[float(f"{value:.8g}") for value in row] for row in table.tolist()]


def main():
    lines = []
    for name, config in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            pathlib.Path(folder, "config.json").write_text(json.dumps(config))
            try:
                cos, sin = tables(folder)
            except Exception as error:
                raise SystemExit(f"{name}: {error!r}")
        case = dict(name=name, config=config, positions=POSITIONS, cos=rounded(cos), sin=rounded(sin))
        lines.append(json.dumps(case))
    out = pathlib.Path(__file__).parent / "rotary.json"
    out.write_text("[\n" + ",\n".join(lines) + "\n]\n")


if __name__ == "__main__":
    main()
