#!/usr/bin/env python3
"""Least times of the models on GPUs, from bytes, operations and collectives: docs/dev/gpu_model.md.

  scripts/gpu_model.py            the tables of that page, as Markdown
  scripts/gpu_model.py --check    fails when the page has other tables

Everything here is arithmetic on data-sheet numbers. Nothing of it has been measured.
"""
import pathlib
import sys
from dataclasses import dataclass

PAGE = pathlib.Path(__file__).resolve().parent.parent / "docs" / "gpu_model.md"
MARK = "<!-- tables of scripts/gpu_model.py -->"


@dataclass(frozen=True)
class Gpu:
    name: str
    memory: float  # bytes per second, data sheet
    tensor: float  # bf16 operations per second without sparsity, data sheet
    link: float  # NVLink, bytes per second in one direction
    wait: float  # seconds of one small all-reduce, an assumption


@dataclass(frozen=True)
class Model:
    name: str
    family: str
    layers: int
    d_model: int
    heads: int
    vocab: int

    @property
    def d_ff(self):
        return 4 * self.d_model


GPUS = [Gpu("A100 80 GB SXM", 2.039e12, 312e12, 300e9, 12e-6),
        Gpu("H100 80 GB SXM", 3.35e12, 989e12, 450e9, 10e-6)]
MODELS = [Model("APHRA 6B (GPT-J)", "gptj", 28, 4096, 16, 50400),
          Model("Pythia 70M", "neox", 6, 512, 8, 50304),
          Model("Pythia 160M", "neox", 12, 768, 12, 50304),
          Model("Pythia 410M", "neox", 24, 1024, 16, 50304),
          Model("Pythia 1B", "neox", 16, 2048, 8, 50304),
          Model("Pythia 1.4B", "neox", 24, 2048, 16, 50304),
          Model("Pythia 2.8B", "neox", 32, 2560, 32, 50304),
          Model("Pythia 6.9B", "neox", 32, 4096, 32, 50432),
          Model("Pythia 12B", "neox", 36, 5120, 40, 50688)]
COUNTS = [1, 2, 4, 8]
BF16, FP32 = 2, 4

# What others have published, on one GPU in one piece: program, GPU, model, batch, tokens in and out,
# and either milliseconds for all of it or output tokens per second. Sources: docs/dev/gpu_model.md.
GPT_6_7B = Model("GPT 6.7B", "gptj", 32, 4096, 32, 51200)
GPT_1_3B = Model("GPT 1.3B", "gptj", 24, 2048, 32, 51200)
PUBLISHED = [("TensorRT-LLM 0.5, fp16", 0, MODELS[0], 64, 128, 128, "3,679 tokens/s"),
             ("TensorRT-LLM 0.6.1, fp16", 0, MODELS[0], 512, 128, 128, "6,374 tokens/s"),
             ("TensorRT-LLM 0.6.1, fp16", 0, MODELS[0], 60, 2048, 128, "670 tokens/s"),
             ("TensorRT-LLM 0.5, fp16", 0, MODELS[0], 1, 128, 1, "12 ms"),
             ("TensorRT-LLM 0.5, fp16", 0, MODELS[0], 1, 2048, 1, "129 ms"),
             ("TensorRT-LLM 0.5, fp8", 1, MODELS[0], 64, 128, 128, "10,907 tokens/s"),
             ("TensorRT-LLM 0.6.1, fp8", 1, MODELS[0], 1024, 128, 128, "26,150 tokens/s"),
             ("TensorRT-LLM 0.5, fp8", 1, MODELS[0], 1, 128, 1, "7 ms"),
             ("TensorRT-LLM 0.5, fp8", 1, MODELS[0], 1, 2048, 1, "29 ms"),
             ("FasterTransformer, fp16", 0, GPT_6_7B, 1, 128, 8, "98.29 ms"),
             ("FasterTransformer, fp16", 0, GPT_6_7B, 64, 128, 8, "718.07 ms"),
             ("FasterTransformer, fp16", 0, GPT_6_7B, 1, 512, 32, "384.70 ms"),
             ("FasterTransformer, fp16", 0, GPT_6_7B, 32, 512, 32, "1814.03 ms"),
             ("FasterTransformer, fp16", 0, GPT_6_7B, 64, 512, 32, "3306.41 ms"),
             ("FasterTransformer, fp16", 0, GPT_1_3B, 1, 512, 32, "135.85 ms"),
             ("FasterTransformer, fp16", 0, GPT_1_3B, 64, 512, 32, "1036.21 ms")]


def part(total, ranks):
    """The largest rank's share, as partition/plan/shard_plan.h divides."""
    return -(-total // ranks)


def matrix_elements(model, ranks):
    """Weights of the largest rank that a step multiplies with: blocks and LM head."""
    width = part(model.heads, ranks) * (model.d_model // model.heads)
    columns = part(model.d_ff, ranks)
    block = model.d_model * (4 * width + 2 * columns)
    return model.layers * block + part(model.vocab, ranks) * model.d_model


def head_elements(model, ranks):
    return part(model.vocab, ranks) * model.d_model


def weight_bytes(model, ranks):
    """With the embedding, of which a step reads only the tokens' rows."""
    return BF16 * (matrix_elements(model, ranks) + head_elements(model, ranks))


def cache_bytes(model, ranks, positions):
    """Keys and values of so many positions on the largest rank."""
    width = part(model.heads, ranks) * (model.d_model // model.heads)
    return 2 * BF16 * model.layers * width * positions


def collectives(model, ranks):
    """One for the embedding, one for each block with its parallel residual."""
    return model.layers + 1 if ranks > 1 else 0


def launches(model, ranks):
    """Kernels of a decode step of up to 8 rows; each collective is one more.

    A block: QKV, its bias with the rotary embedding, attention, MLP in with bias and GELU, both
    products into one sum, residual with the next norms. Around the blocks: embedding, first norms,
    rows, norm, head, statistics. More rows take two more in a block. A step of one token for each
    sequence is replayed as a graph: one launch of the host, and the statistics'.
    """
    block = 6
    around = 6
    return model.layers * block + around + collectives(model, ranks)


def reduce_seconds(model, ranks, tokens, gpu):
    """All all-reduces of a step: each rank sends and receives 2 (n - 1) / n of the fp32 sums."""
    if ranks == 1:
        return 0.0
    moved = 2 * (ranks - 1) / ranks * FP32 * tokens * model.d_model
    return collectives(model, ranks) * (gpu.wait + moved / gpu.link)


@dataclass(frozen=True)
class Step:
    bytes: float
    operations: float
    seconds: float  # without the collectives
    reduce: float


def decode(model, ranks, batch, context, gpu):
    moved = BF16 * matrix_elements(model, ranks) + batch * cache_bytes(model, ranks, context)
    operations = batch * (2 * matrix_elements(model, ranks) +
                          2 * cache_bytes(model, ranks, context) / BF16)
    return Step(moved, operations, max(moved / gpu.memory, operations / gpu.tensor),
                reduce_seconds(model, ranks, batch, gpu))


def prefill(model, ranks, tokens, gpu):
    blocks = matrix_elements(model, ranks) - head_elements(model, ranks)
    # Half of the pairs of positions; the head only for the last position.
    attention = 2 * cache_bytes(model, ranks, tokens) / BF16 * tokens / 2
    operations = 2 * blocks * tokens + attention + 2 * head_elements(model, ranks)
    moved = BF16 * matrix_elements(model, ranks) + cache_bytes(model, ranks, tokens)
    return Step(moved, operations, max(moved / gpu.memory, operations / gpu.tensor),
                reduce_seconds(model, ranks, tokens, gpu))


def decode_table(gpu):
    lines = [f"### {gpu.name}: a decode step at 1024 positions", "",
             "| model | GPUs | weights, GB each | launches | all-reduces | batch 1: GB read | GFLOP "
             "| least ms | tokens/s | batch 32: GB read | GFLOP | least ms | tokens/s |",
             "|---|---|---|---|---|---|---|---|---|---|---|---|---|"]
    for model in MODELS:
        for ranks in COUNTS:
            one, many = (decode(model, ranks, batch, 1024, gpu) for batch in (1, 32))
            cells = [model.name, ranks, f"{weight_bytes(model, ranks) / 1e9:.2f}",
                     launches(model, ranks), collectives(model, ranks)]
            for step, batch in ((one, 1), (many, 32)):
                total = step.seconds + step.reduce
                cells += [f"{step.bytes / 1e9:.2f}", f"{step.operations / 1e9:.1f}",
                          f"{total * 1e3:.2f}", f"{batch / total:.0f}"]
            lines.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    return lines


def prefill_table(gpu):
    lines = [f"### {gpu.name}: a prompt of 2048 tokens", "",
             "| model | GPUs | TFLOP each | all-reduces | MB in each | least ms | of it collectives |",
             "|---|---|---|---|---|---|---|"]
    for model in MODELS:
        for ranks in COUNTS:
            step = prefill(model, ranks, 2048, gpu)
            size = FP32 * 2048 * model.d_model / 1e6 if ranks > 1 else 0
            cells = [model.name, ranks, f"{step.operations / 1e12:.2f}", collectives(model, ranks),
                     f"{size:.1f}", f"{(step.seconds + step.reduce) * 1e3:.2f}",
                     f"{step.reduce * 1e3:.2f}"]
            lines.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    return lines


def generation(model, batch, tokens_in, tokens_out, gpu):
    """Least seconds of one batch on one GPU: the prompts, then a step for each further token."""
    prompt = prefill(model, 1, tokens_in, gpu)
    first = max(batch * prompt.operations / gpu.tensor, prompt.bytes / gpu.memory)
    return first + sum(decode(model, 1, batch, tokens_in + k, gpu).seconds
                       for k in range(1, tokens_out))


def published_table():
    lines = ["### Published by others, one GPU", "",
             "| program | GPU | model | batch x (in, out) | published | least, bf16 | least of published |",
             "|---|---|---|---|---|---|---|"]
    for program, gpu, model, batch, tokens_in, tokens_out, figure in PUBLISHED:
        seconds = generation(model, batch, tokens_in, tokens_out, GPUS[gpu])
        value, unit = float(figure.split()[0].replace(",", "")), figure.split()[1]
        least = 1e3 * seconds if unit == "ms" else batch * tokens_out / seconds
        share = least / value if unit == "ms" else value / least
        percent = "other bytes and peak" if "fp8" in program else f"{100 * share:.0f} %"
        lines.append(f"| {program} | {GPUS[gpu].name[:4]} | {model.name} | "
                     f"{batch} x ({tokens_in}, {tokens_out}) | {figure} | "
                     f"{least:,.{1 if unit == 'ms' else 0}f} {unit} | {percent} |")
    return lines


def tables():
    lines = published_table() + [""]
    for gpu in GPUS:
        lines += decode_table(gpu) + [""] + prefill_table(gpu) + [""]
    return "\n".join(lines)


def main():
    if sys.argv[1:] == ["--check"]:
        if PAGE.read_text().split(MARK)[1].strip() != tables().strip():
            sys.exit(f"{PAGE}: not the tables of scripts/gpu_model.py; write them anew")
        return
    if sys.argv[1:]:
        sys.exit(__doc__)
    print(tables())


if __name__ == "__main__":
    main()
