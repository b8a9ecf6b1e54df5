"""Writes a GPT-NeoX model of a shape with random weights as GGUF: make_gguf.py SETUP.json OUT.gguf

SETUP is {"shape": {...}, "dtype": "bf16" | "q8_0" | "q4_0"}. Needs the packages gguf and numpy.
"""

import json
import sys

import gguf
import numpy as np

RANDOM = np.random.default_rng(0)
TYPES = {
    "bf16": gguf.GGMLQuantizationType.BF16,
    "q8_0": gguf.GGMLQuantizationType.Q8_0,
    "q4_0": gguf.GGMLQuantizationType.Q4_0,
}


def add_matrix(writer, name, rows, columns, kind):
    # A block of random rows quantised once and repeated: the values do not matter to the time.
    block = min(rows, 64)
    values = RANDOM.standard_normal((block, columns), dtype=np.float32) * np.float32(0.02)
    packed = np.resize(gguf.quants.quantize(values, kind), (rows, gguf_row_bytes(columns, kind)))
    writer.add_tensor(name, packed, raw_dtype=kind)


def gguf_row_bytes(columns, kind):
    block, size = gguf.GGML_QUANT_SIZES[kind]
    return columns // block * size


def add_vector(writer, name, size, value):
    writer.add_tensor(name, np.full(size, value, np.float32))


def add_norm(writer, name, size):
    add_vector(writer, name + ".weight", size, 1.0)
    add_vector(writer, name + ".bias", size, 0.0)


def add_linear(writer, name, outputs, inputs, kind):
    add_matrix(writer, name + ".weight", outputs, inputs, kind)
    add_vector(writer, name + ".bias", outputs, 0.0)


def add_header(writer, shape):
    writer.add_context_length(shape["context"])
    writer.add_embedding_length(shape["d_model"])
    writer.add_block_count(shape["layers"])
    writer.add_feed_forward_length(shape["d_ff"])
    writer.add_rope_dimension_count(shape["rotary_dims"])
    writer.add_head_count(shape["heads"])
    writer.add_parallel_residual(shape["parallel_residual"])
    writer.add_layer_norm_eps(1e-5)
    writer.add_vocab_size(shape["vocab_rows"])
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([f"<{i}>" for i in range(shape["vocab_rows"])])
    writer.add_token_types([gguf.TokenType.NORMAL] * shape["vocab_rows"])
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(0)


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        setup = json.load(file)
    shape, kind = setup["shape"], TYPES[setup["dtype"]]
    if shape["family"] != "gpt_neox":
        sys.exit(f"llama.cpp knows no model of the family {shape['family']}")
    width, d_ff = shape["d_model"], shape["d_ff"]
    writer = gguf.GGUFWriter(sys.argv[2], "gptneox")
    add_header(writer, shape)
    add_matrix(writer, "token_embd.weight", shape["vocab_rows"], width, kind)
    for layer in range(shape["layers"]):
        block = f"blk.{layer}."
        add_norm(writer, block + "attn_norm", width)
        add_norm(writer, block + "ffn_norm", width)
        add_linear(writer, block + "attn_qkv", 3 * width, width, kind)
        add_linear(writer, block + "attn_output", width, width, kind)
        add_linear(writer, block + "ffn_up", d_ff, width, kind)
        add_linear(writer, block + "ffn_down", width, d_ff, kind)
    add_norm(writer, "output_norm", width)
    add_matrix(writer, "output.weight", shape["vocab_rows"], width, kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()
