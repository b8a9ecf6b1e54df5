"""Builds a case's checkpoint folder: tensors and their scales, config.json in two styles, files."""

import json
import math
import pathlib

import numpy as np
import torch
from safetensors.torch import save_file
from transformers import (GPT2Config, GPT2LMHeadModel, GPTJConfig, GPTJForCausalLM, GPTNeoXConfig,
                          GPTNeoXForCausalLM)  # fmt: skip

import seeded_weights

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
CLASSES = {"gptj": (GPTJConfig, GPTJForCausalLM), "neox": (GPTNeoXConfig, GPTNeoXForCausalLM),
           "gpt2": (GPT2Config, GPT2LMHeadModel)}  # fmt: skip

# Larger than a trained model's, so that every part of the network matters to the logits: scores
# that make attention peaked, biases that are missed when dropped, gains that are not all 1.
# (end of the name, scale in units of sqrt(3 / fan_in), so that 1 gives outputs of deviation 1)
GAINS = {
    "q_proj.weight": 1.6, "k_proj.weight": 1.6, "query_key_value.weight": 1.5, "v_proj.weight": 1.0,
    "out_proj.weight": 1.0, "dense.weight": 1.0, "fc_in.weight": 1.2, "dense_h_to_4h.weight": 1.2,
    "fc_out.weight": 1.2, "dense_4h_to_h.weight": 1.2, "lm_head.weight": 2.0, "embed_out.weight": 2.0,
    "c_attn.weight": 1.5, "attn.c_proj.weight": 1.0, "c_fc.weight": 1.2, "mlp.c_proj.weight": 1.2,
}  # fmt: skip

# Around 0 the two kinds of GELU differ by 2e-4 of their value, which a tolerance of 2e-4 of the
# largest logit can't tell from rounding. Around -2.6 they differ by 2 %: gains and a bias that put
# the input of GELU there and bring its small output back to size.
TAIL_IN_GAIN, TAIL_IN_BIAS, TAIL_OUT_GAIN = 0.3, (0.3, -2.6), 30.0


def fan_in(name, shape):
    """Conv1D of GPT-2 keeps [inputs, outputs]."""
    return shape[0] if ".c_" in name else shape[1]


def tail_scale_and_offset(name, shape):
    """For the feed-forward tensors of a case with gelu_tail; None for all others."""
    if name.endswith(("fc_in.bias", "dense_h_to_4h.bias", "c_fc.bias")):
        return TAIL_IN_BIAS
    if name.endswith(("fc_in.weight", "dense_h_to_4h.weight", "c_fc.weight")):
        return TAIL_IN_GAIN * math.sqrt(3 / fan_in(name, shape)), 0.0
    if name.endswith(("fc_out.weight", "dense_4h_to_h.weight", "mlp.c_proj.weight")):
        return TAIL_OUT_GAIN * math.sqrt(3 / fan_in(name, shape)), 0.0
    return None


def scale_and_offset(name, shape, tied):
    if name.endswith("wte.weight") and tied:
        return 3.0 * math.sqrt(3 / shape[1]), 0.0  # the head as well
    if name.endswith(("wte.weight", "embed_in.weight")):
        return 1.5, 0.0
    if name.endswith("wpe.weight"):
        return 0.5, 0.0
    if ("layernorm" in name or "layer_norm" in name or "ln_" in name) and name.endswith("weight"):
        return 0.5, 1.0
    if name.endswith("bias"):
        return 0.4, 0.0
    gain = next(g for end, g in GAINS.items() if name.endswith(end))
    return gain * math.sqrt(3 / fan_in(name, shape)), 0.0


def tensor_list(case):
    """[{name, shape, scale, offset}] in the order of the model's own state dict."""
    config_class, model_class = CLASSES[case.family]
    config = config_class(**case.config)
    with torch.device("meta"):
        state = model_class(config).state_dict()
    if config.tie_word_embeddings:
        del state["lm_head.weight"]
    out = []
    for name, tensor in state.items():
        name = name.removeprefix("transformer.") if case.bare_names else name
        tail = tail_scale_and_offset(name, tensor.shape) if case.gelu_tail else None
        scale, offset = (float(np.float32(x)) for x in tail or scale_and_offset(name, tensor.shape, config.tie_word_embeddings))
        out.append({"name": name, "shape": list(tensor.shape), "scale": scale, "offset": offset})
    return out


def make_tensors(case, seed, tensors):
    out = {}
    for t in tensors:
        flat = seeded_weights.values(seed, t["name"], math.prod(t["shape"]), t["scale"], t["offset"])
        out[t["name"]] = torch.from_numpy(flat).reshape(t["shape"]).to(DTYPES[case.dtype])
    return out


def config_json(case):
    """config.json as transformers writes it today, or as the hub's Pythia and GPT-J 6B have it."""
    config_class, model_class = CLASSES[case.family]
    config = config_class(architectures=[model_class.__name__], **case.config)
    config.dtype = DTYPES[case.dtype]
    new = json.loads(config.to_json_string(use_diff=False)) if case.config_style == "old" else None
    if new is None:
        return json.loads(config.to_json_string())
    if case.family == "gpt2":
        keys = "activation_function architectures attn_pdrop bos_token_id embd_pdrop eos_token_id initializer_range"
        keys += " layer_norm_epsilon model_type n_embd n_head n_layer n_positions resid_pdrop summary_activation"
        keys += " summary_first_dropout summary_proj_to_labels summary_type summary_use_proj vocab_size"
        tasks = {"text-generation": {"do_sample": True, "max_length": 50}}
        old = {"n_ctx": new["n_positions"], "task_specific_params": tasks}
        return dict(sorted({**old, **{k: new[k] for k in keys.split()}}.items()))
    common = {
        "architectures": [model_class.__name__], "bos_token_id": new["bos_token_id"], "eos_token_id": new["eos_token_id"],
        "initializer_range": 0.02, "model_type": new["model_type"], "tie_word_embeddings": False,
        "torch_dtype": {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}[case.dtype],
        "use_cache": True, "vocab_size": new["vocab_size"],
    }  # fmt: skip
    if case.family == "gptj":
        keys = "activation_function attn_pdrop embd_pdrop layer_norm_epsilon n_embd n_head n_inner n_layer n_positions"
        old = {
            "gradient_checkpointing": False, "rotary": True, "scale_attn_weights": True, "summary_activation": None,
            "summary_first_dropout": 0.1, "summary_proj_to_labels": True, "summary_type": "cls_index",
            "summary_use_proj": True, "tokenizer_class": "GPT2Tokenizer", "transformers_version": "4.18.0.dev0",
            "task_specific_params": {"text-generation": {"do_sample": True, "max_length": 50, "temperature": 1.0}},
        }  # fmt: skip
        keys += " resid_pdrop rotary_dim"
    else:
        rope = new["rope_parameters"]
        old = {"rotary_emb_base": int(rope["rope_theta"]), "rotary_pct": rope["partial_rotary_factor"],
               "transformers_version": "4.24.0"}  # fmt: skip
        keys = "hidden_act hidden_size intermediate_size layer_norm_eps max_position_embeddings num_attention_heads"
        keys += " num_hidden_layers use_parallel_residual"
    return dict(sorted({**common, **old, **{k: new[k] for k in keys.split()}}.items()))


def assign_files(tensors, stem, suffix, shards):
    """Adds "file" to each tensor: whole tensors, in order, about equally many elements per file."""
    total, seen = sum(math.prod(t["shape"]) for t in tensors), 0
    for t in tensors:
        shard = min(shards - 1, seen * shards // total)
        t["file"] = f"{stem}{suffix}" if shards == 1 else f"{stem}-{shard + 1:05d}-of-{shards:05d}{suffix}"
        seen += math.prod(t["shape"])
    missing = shards - len({t["file"] for t in tensors})
    if missing:
        raise SystemExit(f"{stem}: {missing} of {shards} shards would be empty; use fewer shards")


def write_index(folder, name, sizes, weight_map):
    index = {"metadata": {"total_size": sum(sizes)}, "weight_map": dict(sorted(weight_map.items()))}
    (folder / name).write_text(json.dumps(index, indent=2) + "\n")


def write_safetensors(folder, tensors, state):
    files = {}
    for t in tensors:
        files.setdefault(t["file"], {})[t["name"]] = state[t["name"]]
    for file, content in files.items():
        save_file(content, folder / file, metadata={"format": "pt"})
    if len(files) > 1:
        sizes = [t.nbytes for t in state.values()]
        write_index(folder, "model.safetensors.index.json", sizes, {t["name"]: t["file"] for t in tensors})


def add_old_buffers(case, state):
    """What transformers before 4.3x saved along: masks and rotary frequencies. Never to be used."""
    out = dict(state)
    context = case.config.get("n_positions") or case.config["max_position_embeddings"]
    layers = case.config.get("n_layer") or case.config["num_hidden_layers"]
    mask = torch.tril(torch.ones(context, context, dtype=torch.bool)).view(1, 1, context, context)
    for i in range(layers):
        prefix = f"gpt_neox.layers.{i}.attention" if case.family == "neox" else f"transformer.h.{i}.attn"
        prefix = prefix.removeprefix("transformer.") if case.bare_names else prefix
        out[f"{prefix}.bias"] = mask.clone() if i else mask.to(torch.uint8)
        out[f"{prefix}.masked_bias"] = torch.tensor(-1e9)
        if case.family == "neox":
            width = case.config["hidden_size"] // case.config["num_attention_heads"] // 4
            out[f"{prefix}.rotary_emb.inv_freq"] = 1.0 / 10000 ** (torch.arange(0, width, 2).float() / width)
    return out


def give_odd_strides(case, state):
    """Same values, other storage: column-major matrices, and small tensors inside one shared storage."""
    out = dict(state)
    for name in state:
        if name.endswith(("mlp.dense_h_to_4h.weight", "attention.dense.weight")):
            out[name] = state[name].t().contiguous().t()
    for i in range(case.config["num_hidden_layers"]):
        group = [n for n in state if f"layers.{i}." in n and "layernorm" in n]
        shared = torch.cat([torch.zeros(7, dtype=state[group[0]].dtype)] + [state[n] for n in group])
        at = 7
        for n in group:
            out[n] = shared[at : at + state[n].numel()]
            at += state[n].numel()
    return out


def as_state_dict(case, content):
    """As model.state_dict() pickles: an OrderedDict with an attribute. Shards are plain dicts."""
    config_class, model_class = CLASSES[case.family]
    with torch.device("meta"):
        out = model_class(config_class(**case.config)).state_dict()
    out.clear()
    out.update(content)
    return out


def write_torch_bin(case, folder, tensors, state):
    assign_files(tensors, "pytorch_model", ".bin", case.shards)
    home = {t["name"]: t["file"] for t in tensors}
    full = give_odd_strides(case, state) if case.odd_strides else dict(state)
    full = add_old_buffers(case, full) if case.old_buffers else full
    last = tensors[-1]["file"]
    files = {}
    for name, tensor in full.items():
        files.setdefault(home.get(name, last), {})[name] = tensor
    for file, content in files.items():
        torch.save(as_state_dict(case, content) if case.shards == 1 else content, folder / file)
    if len(files) > 1:
        weight_map = {n: f for f, content in files.items() for n in content}
        write_index(folder, "pytorch_model.bin.index.json", [t.nbytes for t in full.values()], weight_map)


def save_with_transformers(case, folder, state):
    config_class, model_class = CLASSES[case.family]
    model = model_class(config_class(**case.config)).to(DTYPES[case.dtype])
    wrong = model.load_state_dict(state, strict=False)
    if wrong.unexpected_keys or wrong.missing_keys not in ([], ["lm_head.weight"]):
        raise SystemExit(f"{case.name}: {wrong}")
    total = sum(t.nbytes for t in state.values())
    model.save_pretrained(folder, max_shard_size=f"{total // case.shards // 1000 + 5}KB" if case.shards > 1 else "5GB")
    (folder / "generation_config.json").unlink(missing_ok=True)


def write_checkpoint(case, folder: pathlib.Path, tensors, state):
    """Fills `folder` with config.json and weights, as the case says."""
    folder.mkdir(parents=True, exist_ok=True)
    if case.weights == "files" and case.format == "safetensors":
        save_with_transformers(case, folder, state)
        if case.config_style == "new":
            return
    elif case.format == "bin":
        write_torch_bin(case, folder, tensors, state)
    else:
        assign_files(tensors, "model", ".safetensors", case.shards)
        write_safetensors(folder, tensors, state)
    (folder / "config.json").write_text(json.dumps(config_json(case), indent=2) + "\n")
