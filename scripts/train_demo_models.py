#!/usr/bin/env python3
"""Trains the demo models `models/shakespeare-gptj` and `models/shakespeare-neox`.

Two small models, one of each family, so that everything in this repository runs from a bare clone
without a download. They are made with Hugging Face transformers and saved by it in half precision;
a model is at most 4,000,000 bytes.

    python3 -m venv venv && venv/bin/pip install -r tests/golden/requirements.txt
    venv/bin/python scripts/train_demo_models.py --family gptj --text tinyshakespeare.txt --out models/shakespeare-gptj
    venv/bin/python scripts/train_demo_models.py --family neox --text tinyshakespeare.txt --out models/shakespeare-neox

The text is Karpathy's "tiny Shakespeare" (1,115,394 bytes, public domain). The last tenth is held
out; the weights kept are those of the step with the best held-out loss. Weights are averaged over
the last steps (EMA), which helps more than any other setting at this size of text. With one seed,
one version of torch and one number of threads, the outcome is the same bits.
"""

import argparse
import copy
import json
import math
import pathlib
import time

import numpy as np
import torch
from transformers import (
    AttentionInterface,
    GenerationConfig,
    GPTJConfig,
    GPTJForCausalLM,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    PreTrainedTokenizerFast,
)

import demo_text

CONTEXT = 256
MAX_MODEL_BYTES = 4_000_000
PROMPTS = ["ROMEO:", "First Citizen:\n", "KING RICHARD III:\nNow"]


def gptj_model(dropout):
    """1.93M parameters; the feed-forward width is set by n_inner and no multiple of the width."""
    return GPTJConfig(
        vocab_size=1030, n_positions=CONTEXT, n_embd=192, n_layer=4, n_head=6, rotary_dim=16, n_inner=608,
        activation_function="gelu_new", resid_pdrop=dropout, embd_pdrop=dropout, attn_pdrop=0.0,
        bos_token_id=1029, eos_token_id=1029, tie_word_embeddings=False, use_cache=True,
    )  # fmt: skip


def neox_model(dropout):
    """1.94M parameters; 1024 ids, rows padded to 1056 as Pythia's are padded from 50277 to 50304."""
    return GPTNeoXConfig(
        vocab_size=1056, max_position_embeddings=CONTEXT, hidden_size=192, num_hidden_layers=4,
        num_attention_heads=6, intermediate_size=608, hidden_act="gelu",
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.25},
        use_parallel_residual=True, hidden_dropout=dropout, attention_dropout=0.0, bos_token_id=0, eos_token_id=0,
        tie_word_embeddings=False, use_cache=True,
    )  # fmt: skip


FAMILIES = {
    "gptj": (gptj_model, GPTJForCausalLM, lambda text: demo_text.gptj_tokenizer(text, 1030)),
    "neox": (neox_model, GPTNeoXForCausalLM, lambda text: demo_text.neox_tokenizer(text, 1024)),
}


class Dropout(torch.nn.Module):
    """torch.nn.Dropout with numpy's generator, which on a CPU is ten times faster."""

    def __init__(self, probability, rng):
        super().__init__()
        self.dropped, self.rng = round(probability * 256), rng

    def forward(self, x):
        if not self.training or self.dropped == 0:
            return x
        mask = np.frombuffer(self.rng.bytes(x.numel()), dtype=np.uint8) >= self.dropped
        return x * (torch.from_numpy(mask).view(x.shape).to(x.dtype) * (256 / (256 - self.dropped)))


def attention(query, key, value):
    """[batch, heads, tokens, width] to the same. Twice as fast on a CPU as torch's fused kernel."""
    batch, heads, tokens, width = value.shape
    query, key, value = (x.to(value.dtype).reshape(batch * heads, tokens, width) for x in (query, key, value))
    future = torch.full((tokens, tokens), -torch.inf, dtype=value.dtype).triu(1)
    scores = torch.baddbmm(future.expand(batch * heads, -1, -1), query, key.transpose(1, 2), alpha=width**-0.5)
    return torch.bmm(scores.softmax(-1).to(value.dtype), value).view(batch, heads, tokens, width)


def gptj_attention(self, query, key, value, attention_mask=None):
    return attention(query, key, value), None


def neox_attention(module, query, key, value, attention_mask, **unused):
    return attention(query, key, value).transpose(1, 2).contiguous(), None


def make_faster(model, rng):
    """Swaps slow modules for equal faster ones. For training only: the weights are the same."""
    for module in model.modules():
        for name, child in module.named_children():
            if isinstance(child, torch.nn.Dropout):
                setattr(module, name, Dropout(child.p, rng))
            elif type(child).__name__ == "NewGELUActivation":
                setattr(module, name, torch.nn.GELU(approximate="tanh"))
        if type(module).__name__ == "GPTJAttention":
            module._attn = gptj_attention.__get__(module)
    if model.config.model_type == "gpt_neox":
        AttentionInterface.register("training", neox_attention)
        model.set_attn_implementation("training")


def initialise(model):
    """Normal weights of width 0.02, the two projections that feed the residual made smaller."""
    layers = model.config.num_hidden_layers
    for name, parameter in model.named_parameters():
        if parameter.dim() < 2:
            continue
        feeds_residual = name.endswith(("out_proj.weight", "fc_out.weight", "dense.weight", "dense_4h_to_h.weight"))
        torch.nn.init.normal_(parameter, std=0.02 / math.sqrt(2 * layers) if feeds_residual else 0.02)


def optimizer_of(model, args):
    decayed = [p for p in model.parameters() if p.dim() >= 2]
    others = [p for p in model.parameters() if p.dim() < 2]
    groups = [{"params": decayed, "weight_decay": args.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=args.lr, betas=(0.9, 0.98), fused=True)


def learning_rate(step, args):
    warmup = 100
    if step < warmup:
        return args.lr * (step + 1) / warmup
    return args.lr * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, args.steps - warmup))))


def loss_of(model, windows):
    logits = model(input_ids=windows[:, :-1], use_cache=False).logits.float()
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), windows[:, 1:].reshape(-1))


@torch.no_grad()
def held_out_nats(model, ids, stride):
    """Total nats and predicted tokens over windows of CONTEXT that each add `stride` new tokens.

    With stride = CONTEXT the windows don't overlap (quick); with a smaller one almost every token
    is predicted from a long context (the number on the model card).
    """
    model.eval()
    total, count, end = 0.0, 0, 1
    while end < len(ids):
        stop = min(end + (stride if end > 1 else CONTEXT), len(ids))
        window = torch.from_numpy(ids[max(0, stop - CONTEXT - 1) : stop])[None]
        logits = model(input_ids=window[:, :-1], use_cache=False).logits.float()[0]
        new = stop - end
        losses = torch.nn.functional.cross_entropy(logits[-new:], window[0, -new:], reduction="sum")
        total, count, end = total + float(losses), count + new, stop
    return total, count


def train(model, tokenizer, train_text, held_out_text, args):
    """Writes to args.out, each time the held-out loss is the best yet, the weights averaged over steps."""
    rng = np.random.default_rng(args.seed)
    whole = np.array(tokenizer.encode(train_text).ids)
    held_out = np.array(tokenizer.encode(held_out_text).ids)
    bytes_per_token = len(held_out_text.encode()) / len(held_out)
    print(f"{len(whole)} training tokens, {len(held_out)} held-out tokens, {bytes_per_token:.3f} bytes per token")
    merges = demo_text.Merges(tokenizer)
    make_faster(model, rng)
    optimizer = optimizer_of(model, args)
    average, best_loss = copy.deepcopy(model), math.inf
    steps_per_epoch, began = len(whole) // (args.batch * CONTEXT), time.time()
    for step in range(args.steps):
        if step % steps_per_epoch == 0:
            probability = args.split * max(0.0, 1 - step / (0.6 * args.steps))
            ids = merges.split_some(whole, probability, rng)
            starts = demo_text.speech_starts(ids, tokenizer, CONTEXT)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, args)
        model.train()
        windows = torch.from_numpy(demo_text.batch(ids, starts, args.batch, CONTEXT, rng))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = loss_of(model, windows)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        with torch.no_grad():
            decay = min(args.ema, (step + 1) / (step + 10))
            for kept, now in zip(average.parameters(), model.parameters()):
                kept.lerp_(now, 1 - decay)
        if (step + 1) % args.eval_every == 0 or step + 1 == args.steps:
            nats, count = held_out_nats(average, held_out, CONTEXT)
            if nats / count < best_loss:
                best_loss = nats / count
                save(average.state_dict(), tokenizer, args)
            print(
                f"step {step + 1:5d}  train {loss.item():.3f}  held out {nats / count:.4f} per token"
                f" {nats / count / bytes_per_token:.4f} per byte  {time.time() - began:.0f} s",
                flush=True,
            )


def save_tokenizer(tokenizer, family, out):
    padding = {"pad_token": demo_text.PADDING} if family == "neox" else {}
    end = demo_text.END_OF_TEXT
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=end, eos_token=end, unk_token=end, model_max_length=CONTEXT, **padding
    ).save_pretrained(out)
    # The class name that both transformers 4 and 5 can load.
    config = json.loads((out / "tokenizer_config.json").read_text())
    config.pop("backend", None)
    config["tokenizer_class"] = "PreTrainedTokenizerFast"
    (out / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")
    if family == "gptj":
        tokenizer.model.save(str(out))


def save(weights, tokenizer, args):
    """Writes the folder as save_pretrained does, weights in half precision."""
    config, model_class, _ = FAMILIES[args.family]
    model, out = model_class(config(0.0)), args.out
    model.load_state_dict(weights)
    out.mkdir(parents=True, exist_ok=True)
    end = model.config.eos_token_id
    model.generation_config = GenerationConfig(bos_token_id=end, eos_token_id=end)
    model.to(torch.float16).save_pretrained(out)
    save_tokenizer(tokenizer, args.family, out)
    size = (out / "model.safetensors").stat().st_size
    if size > MAX_MODEL_BYTES:
        raise SystemExit(f"{out}: {size} bytes of weights, more than {MAX_MODEL_BYTES}; make the model smaller")


@torch.no_grad()
def sample(model, tokenizer, prompt, temperature, tokens=160):
    torch.manual_seed(1)
    ids = torch.tensor([tokenizer.encode(prompt).ids])
    options = {"do_sample": True, "temperature": temperature, "top_k": 0} if temperature > 0 else {"do_sample": False}
    return tokenizer.decode(model.generate(ids, max_new_tokens=tokens, pad_token_id=0, **options)[0].tolist())


CARD = """# {title}

A demonstration model of Lockstep: {parameters:,} parameters, {family}, made so that the examples and
tests of this repository run without a download. It writes something like Shakespeare and knows
nothing else.

| | |
|---|---|
| layers, width, heads, feed-forward | {layers}, {width}, {heads} x {head_width}, {ffn} |
| rotary dimensions per head | {rotary} |
| context | {context} tokens |
| vocabulary | {rows} rows, {ids} of them used by the tokenizer |
| weights | fp16 safetensors, {size:,} bytes |
| training text | "tiny Shakespeare", {train_bytes:,} bytes of it; public domain |
| training | `scripts/train_demo_models.py --family {flag} --steps {steps} --seed {seed} --threads {threads}` |

## Held-out loss
On the last tenth of the text ({held_bytes:,} bytes, {held_tokens:,} tokens, which neither the tokenizer nor
the gradient saw), these fp16 weights computed in fp32, windows of {context} tokens that each add {stride} new ones:

| nats per token | perplexity per token | nats per byte | bits per byte |
|---|---|---|---|
| {nats_token:.4f} | {perplexity:.3f} | {nats_byte:.4f} | {bits_byte:.4f} |

The same loss picked the checkpoint, so it is a little flattering; it is meant for comparing
number formats, not models.

## Samples
{samples}
## Licence
The text is in the public domain; weights, tokenizer and this page are under the repository's
licence (Apache-2.0).
"""


def write_card(tokenizer, train_text, held_out_text, args):
    """Measures the saved weights as another program would read them, and writes README.md."""
    out = args.out
    _, model_class, _ = FAMILIES[args.family]
    model = model_class.from_pretrained(out, dtype=torch.float32).eval()
    config, ids, stride = model.config, np.array(tokenizer.encode(held_out_text).ids), 64
    nats, count = held_out_nats(model, ids, stride)
    held_bytes = len(held_out_text.encode())
    head_width = config.hidden_size // config.num_attention_heads
    samples = ""
    for prompt in PROMPTS:
        for temperature in (0.0, 0.8):
            text = sample(model, tokenizer, prompt, temperature)
            samples += f"Temperature {temperature}, prompt `{json.dumps(prompt)[1:-1]}`:\n\n```text\n{text}\n```\n\n"
    card = CARD.format(
        title=out.name, family=type(model).__name__, flag=args.family,
        parameters=sum(p.numel() for p in model.parameters()), layers=config.num_hidden_layers,
        width=config.hidden_size, heads=config.num_attention_heads, head_width=head_width,
        ffn=config.n_inner if args.family == "gptj" else config.intermediate_size,
        rotary=config.rotary_dim if args.family == "gptj" else head_width // 4, context=CONTEXT,
        rows=config.vocab_size, ids=tokenizer.get_vocab_size(), size=(out / "model.safetensors").stat().st_size,
        train_bytes=len(train_text.encode()), steps=args.steps, seed=args.seed, threads=args.threads,
        held_bytes=held_bytes, held_tokens=len(ids), stride=stride, nats_token=nats / count, perplexity=math.exp(nats / count),
        nats_byte=nats / held_bytes, bits_byte=nats / held_bytes / math.log(2), samples=samples,
    )  # fmt: skip
    lines = "\n".join(line.rstrip() for line in card.splitlines())
    (out / "README.md").write_text(lines.replace("\n\n\n", "\n\n") + "\n")
    print(card)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--family", choices=FAMILIES, required=True)
    parser.add_argument("--text", type=pathlib.Path, required=True, help="the training text, UTF-8")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder to write the model to")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--batch", type=int, default=16, help="windows of 256 tokens per step")
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--weight-decay", type=float, default=0.2)
    parser.add_argument("--dropout", type=float, default=0.12)
    parser.add_argument("--split", type=float, default=0.1, help="share of tokens cut in two at first, falling to 0")
    parser.add_argument("--ema", type=float, default=0.995, help="decay of the average over steps")
    parser.add_argument("--eval-every", type=int, default=100)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    config, model_class, make_tokenizer = FAMILIES[args.family]
    train_text, held_out_text = demo_text.split_text(args.text.read_text(encoding="utf-8"))
    tokenizer = make_tokenizer(train_text)
    model = model_class(config(args.dropout))
    initialise(model)
    train(model, tokenizer, train_text, held_out_text, args)
    write_card(tokenizer, train_text, held_out_text, args)


if __name__ == "__main__":
    main()
