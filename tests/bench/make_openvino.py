"""make_openvino.py SETUP.json FOLDER: an OpenVINO model with random weights of a shape.

SETUP is {"shape", "dtype"}: dtype bf16 keeps weights in 16 bits, int8 has a scale for each row, int4 one
for 128 inputs (embedding and head in int8), as NNCF writes them. The graph is what optimum-intel
exports of a transformers model. Little memory is needed: its blocks share one block's weights until the
end, when every constant gets bytes of its own, so that no block finds another's in the cache.

Packages: openvino, openvino-tokenizers, optimum-intel, torch, transformers, numpy.
"""

import copy
import json
import pathlib
import re
import shutil
import sys
import tempfile

import numpy as np
import openvino
import openvino_tokenizers
import serve_torch
import tokenizers
import torch
import transformers
from openvino import opset13
from optimum.exporters.openvino import export_from_model
from optimum.intel import OVConfig

RANDOM = np.random.default_rng(0)
INT4_GROUP = 128
# Smaller ones are norms, biases and tables.
LEAST_ELEMENTS = 1 << 16
LEAST_BYTES = 1 << 16


def make_thin_model(shape):
    """A model of transformers whose blocks are one block, each with its own place in the cache."""
    torch.nn.init.normal_ = lambda tensor, *_, **__: tensor  # the values are replaced anyway
    model = serve_torch.make_model({**shape, "layers": 1}, torch.float32)
    for parameter in model.parameters():
        if parameter.dim() == 2:
            parameter.data = torch.randn(1, parameter.shape[1]).repeat(parameter.shape[0], 1) * 0.02
    gptj = shape["family"] == "gptj"
    holder, name = (model.transformer, "h") if gptj else (model.gpt_neox, "layers")
    first = getattr(holder, name)[0]
    shared = {id(one): one for one in [*first.parameters(), *first.buffers()]}
    blocks = [first]
    for index in range(1, shape["layers"]):
        block = copy.deepcopy(first, dict(shared))
        (block.attn if gptj else block.attention).layer_idx = index
        blocks.append(block)
    setattr(holder, name, torch.nn.ModuleList(blocks))
    model.config.num_hidden_layers = shape["layers"]
    for token in ("eos_token_id", "bos_token_id", "pad_token_id"):
        setattr(model.generation_config, token, 0)
    return model


class Weights:
    """Matrices as a compressed model has them. Those of one size are the same, for now."""

    def __init__(self):
        self.made = {}

    def constant(self, rows, columns, bits):
        key = (rows, columns, bits)
        if key not in self.made:
            if bits == 16:
                values = RANDOM.standard_normal((64, columns), np.float32) * np.float32(0.02)
                numbers = np.resize(values.astype(np.float16), (rows, columns))
                tensor = openvino.Tensor(numbers)
            elif bits == 8:
                numbers = RANDOM.integers(-127, 128, (rows, columns), dtype=np.int8)
                tensor = openvino.Tensor(numbers)
            else:
                numbers = RANDOM.integers(0, 256, rows * columns // 2, dtype=np.uint8)
                groups = [rows, columns // INT4_GROUP, INT4_GROUP]
                tensor = openvino.Tensor(numbers, groups, openvino.Type.i4)
            self.made[key] = (tensor, numbers)  # the tensor borrows the numbers
        return openvino.op.Constant(self.made[key][0], shared_memory=True)

    def decompressed(self, name, rows, columns, bits):
        weight = self.constant(rows, columns, bits)
        if bits == 16:
            out = opset13.convert(weight, "f32")
            out.set_friendly_name(name)
            return out
        whole = [rows, 1] if bits == 8 else [rows, columns // INT4_GROUP, 1]
        scale = opset13.constant(np.full(whole, 0.0005 if bits == 8 else 0.005, np.float16))
        out = opset13.multiply(opset13.convert(weight, "f16"), scale)
        if bits == 4:
            out = opset13.reshape(
                out, opset13.constant(np.array([rows, columns], np.int64)), special_zero=False
            )
        return opset13.convert(out, "f32")


def replace_weights(model, dtype, vocab_rows):
    weights = Weights()
    count = 0
    for node in model.get_ordered_ops():
        if node.get_type_name() not in ("MatMul", "Gather"):
            continue
        place = 1 if node.get_type_name() == "MatMul" else 0
        source = node.input_value(place).get_node()
        if source.get_type_name() == "Convert":
            source = source.input_value(0).get_node()
        if source.get_type_name() != "Constant":
            continue
        dims = list(source.get_output_shape(0))
        if len(dims) != 2 or dims[0] * dims[1] < LEAST_ELEMENTS:
            continue
        wide = vocab_rows in dims
        bits = {"bf16": 16, "int8": 8, "int4": 8 if wide else 4}[dtype]
        new = weights.decompressed(f"decompressed_{count}", *dims, bits)
        node.input(place).replace_source_output(new.output(0))
        count += 1
    model.validate_nodes_and_infer_types()
    return weights


def part_constants(source, target):
    """Writes the model again, every constant with a place and bytes of its own."""
    xml = (source / "openvino_model.xml").read_text(encoding="utf-8")
    old = np.memmap(source / "openvino_model.bin", np.uint8, "r")
    used = set()
    with (target / "openvino_model.bin").open("wb") as out:

        def place(match):
            offset, size = int(match[1]), int(match[2])
            data = old[offset : offset + size]
            if offset in used and size > LEAST_BYTES:
                data = np.roll(data, 128 * len(used) + 128 * out.tell() % size)
            used.add(offset)
            out.write(b"\0" * (-out.tell() % 64))
            begin = out.tell()
            out.write(data.tobytes())
            return f'offset="{begin}" size="{size}"'

        xml = re.sub(r'offset="(\d+)" size="(\d+)"', place, xml)
    # Without the mark the conversion of 16-bit weights would be done once, when the model is loaded.
    convert = r'(<layer id="\d+" name="decompressed_\d+" type="Convert" version="opset1">\s*'
    convert += r'<data destination_type="f32" ?/>)'
    mark = r'\1<rt_info><attribute name="decompression" version="0" /></rt_info>'
    (target / "openvino_model.xml").write_text(re.sub(convert, mark, xml), encoding="utf-8")


def save_tokenizer(folder):
    """The pipelines want one. Prompts are given as tokens, so that any will do."""
    letters = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    model = tokenizers.models.BPE({letter: index for index, letter in enumerate(letters)}, [])
    tokenizer = tokenizers.Tokenizer(model)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    whole = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=letters[0])
    pair = openvino_tokenizers.convert_tokenizer(whole, with_detokenizer=True)
    for model, name in zip(pair, ("tokenizer", "detokenizer")):
        openvino.save_model(model, folder / f"openvino_{name}.xml")


def main():
    setup = json.loads(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8"))
    folder = pathlib.Path(sys.argv[2])
    shape = setup["shape"]
    shutil.rmtree(folder, ignore_errors=True)  # of a run that has failed
    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        thin, compressed = pathlib.Path(temporary) / "thin", pathlib.Path(temporary) / "compressed"
        export_from_model(
            model=make_thin_model(shape),
            output=str(thin),
            task="text-generation-with-past",
            stateful=True,
            ov_config=OVConfig(dtype="fp16"),
        )
        model = openvino.Core().read_model(thin / "openvino_model.xml")
        weights = replace_weights(model, setup["dtype"], shape["vocab_rows"])
        compressed.mkdir()
        openvino.serialize(model, str(compressed / "openvino_model.xml"))
        del model, weights
        part_constants(compressed, folder)
        for name in ("config.json", "generation_config.json"):
            shutil.copy(thin / name, folder / name)
    save_tokenizer(folder)


if __name__ == "__main__":
    main()
