"""How transformers reads checkpoints whose tensors are not those of a whole ForCausalLM.

checkpoints/<case>/: a tiny checkpoint as save_pretrained() or torch.save() wrote it, and expected.json:
tokens, the hidden states behind the final norm, and the logits where AutoModelForCausalLM has an LM head
"""

import json
import pathlib
import shutil
import sys

import torch
from safetensors.torch import load_file, save_file
from transformers import (AutoModel, AutoModelForCausalLM, GPT2Config, GPT2ForSequenceClassification,
                          GPT2LMHeadModel, GPT2Model, GPTJConfig, GPTJForCausalLM, GPTJForSequenceClassification,
                          GPTJModel, GPTNeoXConfig, GPTNeoXForCausalLM, GPTNeoXForSequenceClassification,
                          GPTNeoXModel)  # fmt: skip

HERE = pathlib.Path(__file__).parent
TOKENS = [5, 9, 20, 3, 7, 8, 2, 21]

NEOX = dict(hidden_size=16, num_attention_heads=2, num_hidden_layers=1, vocab_size=24, max_position_embeddings=16,
            intermediate_size=24, bos_token_id=0, eos_token_id=0)  # fmt: skip
GPTJ = dict(n_embd=16, n_head=2, n_layer=1, vocab_size=24, n_positions=16, n_inner=24, rotary_dim=4, bos_token_id=0,
            eos_token_id=0)  # fmt: skip
GPT2 = dict(n_embd=16, n_head=2, n_layer=2, vocab_size=24, n_positions=16, bos_token_id=0, eos_token_id=0)


def scatter(model, seed=1):
    """Weights and biases that all matter, instead of those of an untrained model."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            scale = 0.3 if parameter.dim() == 2 else 0.2
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * scale)
            if "norm" in name and name.endswith("weight") or "ln_" in name and name.endswith("weight"):
                parameter.add_(1.0)
    return model.eval()


def rewrite(folder, change):
    """Changes the tensors of a saved checkpoint."""
    path = folder / "model.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path, metadata={"format": "pt"})


def tied_with_another_head(folder):
    model = scatter(GPTNeoXForCausalLM(GPTNeoXConfig(**NEOX, tie_word_embeddings=True)))
    model.save_pretrained(folder)
    head = torch.randn(24, 16, generator=torch.Generator().manual_seed(2)) * 0.3
    rewrite(folder, lambda tensors: tensors.update({"embed_out.weight": head}))


def tied_with_the_head_alone(folder):
    scatter(GPTNeoXForCausalLM(GPTNeoXConfig(**NEOX, tie_word_embeddings=True))).save_pretrained(folder)

    def move(tensors):
        tensors["embed_out.weight"] = tensors.pop("gpt_neox.embed_in.weight")

    rewrite(folder, move)


def tied_without_a_head(folder):
    scatter(GPTNeoXForCausalLM(GPTNeoXConfig(**NEOX, tie_word_embeddings=True))).save_pretrained(folder)


def tied_gptj_model(folder):
    scatter(GPTJModel(GPTJConfig(**GPTJ, tie_word_embeddings=True))).save_pretrained(folder)


def tied_gptj_with_the_head_alone(folder):
    scatter(GPTJForCausalLM(GPTJConfig(**GPTJ, tie_word_embeddings=True))).save_pretrained(folder)

    def move(tensors):
        tensors["lm_head.weight"] = tensors.pop("transformer.wte.weight")

    rewrite(folder, move)


def neox_model(folder):
    scatter(GPTNeoXModel(GPTNeoXConfig(**NEOX))).save_pretrained(folder)


def gptj_model(folder):
    scatter(GPTJModel(GPTJConfig(**GPTJ))).save_pretrained(folder)


def neox_classifier(folder):
    scatter(GPTNeoXForSequenceClassification(GPTNeoXConfig(**NEOX, pad_token_id=0))).save_pretrained(folder)


def gptj_classifier(folder):
    scatter(GPTJForSequenceClassification(GPTJConfig(**GPTJ, pad_token_id=0))).save_pretrained(folder)


def neox_fp64(folder):
    scatter(GPTNeoXForCausalLM(GPTNeoXConfig(**NEOX))).double().save_pretrained(folder)


def gptj_fp64_bin(folder):
    model = scatter(GPTJForCausalLM(GPTJConfig(**GPTJ))).double()
    model.save_pretrained(folder)
    (folder / "model.safetensors").unlink()
    torch.save(model.state_dict(), folder / "pytorch_model.bin")


def gpt2_model(folder):
    """The names of GPT-2's checkpoints on the hub."""
    scatter(GPT2Model(GPT2Config(**GPT2))).save_pretrained(folder)


def gpt2_untied(folder):
    scatter(GPT2LMHeadModel(GPT2Config(**GPT2, tie_word_embeddings=False, n_inner=24))).save_pretrained(folder)


def gpt2_state_dict_bin(folder):
    """A state dict of a tied model holds both tables, which are one."""
    model = scatter(GPT2LMHeadModel(GPT2Config(**GPT2)))
    model.save_pretrained(folder)
    (folder / "model.safetensors").unlink()
    torch.save(model.state_dict(), folder / "pytorch_model.bin")


def gpt2_with_the_head_alone(folder):
    scatter(GPT2LMHeadModel(GPT2Config(**GPT2))).save_pretrained(folder)

    def move(tensors):
        tensors["lm_head.weight"] = tensors.pop("transformer.wte.weight")

    rewrite(folder, move)


def gpt2_classifier(folder):
    """Untied: AutoModelForCausalLM would take the embedding for a head."""
    config = GPT2Config(**GPT2, pad_token_id=0, tie_word_embeddings=False)
    scatter(GPT2ForSequenceClassification(config)).save_pretrained(folder)


def gpt2_unscaled_scores(folder):
    scatter(GPT2LMHeadModel(GPT2Config(**GPT2, scale_attn_weights=False))).save_pretrained(folder)


CASES = [tied_with_another_head, tied_with_the_head_alone, tied_without_a_head, tied_gptj_model,
         tied_gptj_with_the_head_alone, neox_model, gptj_model, neox_classifier, gptj_classifier, neox_fp64,
         gptj_fp64_bin, gpt2_model, gpt2_untied, gpt2_state_dict_bin, gpt2_with_the_head_alone, gpt2_classifier,
         gpt2_unscaled_scores]  # fmt: skip


def rounded(rows):
    return [[float(f"{value:.8g}") for value in row] for row in rows.tolist()]


def expected(folder):
    ids = torch.tensor([TOKENS])
    options = dict(dtype=torch.float32, attn_implementation="eager")
    with torch.no_grad():
        model, report = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True, **options)
        if not any(name.endswith("weight") for name in report["missing_keys"]):
            found = model.eval()(ids, output_hidden_states=True)
            return {"tokens": TOKENS, "hidden": rounded(found.hidden_states[-1][0]), "logits": rounded(found.logits[0])}
        body = AutoModel.from_pretrained(folder, **options).eval()
        return {"tokens": TOKENS, "hidden": rounded(body(ids).last_hidden_state[0]), "logits": None}


def main():
    """All cases, or those whose names are given."""
    for make in CASES:
        if sys.argv[1:] and make.__name__ not in sys.argv[1:]:
            continue
        folder = HERE / "checkpoints" / make.__name__
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        make(folder)
        (folder / "generation_config.json").unlink(missing_ok=True)
        golden = expected(folder)
        (folder / "expected.json").write_text(json.dumps(golden) + "\n")
        print(make.__name__, "no LM head" if golden["logits"] is None else "")


if __name__ == "__main__":
    main()
