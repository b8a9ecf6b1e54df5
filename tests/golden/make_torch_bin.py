#!/usr/bin/env python3
"""Writes tests/golden/torch_bin/: small files as torch.save really writes them.

Made with torch 2.15; run it again only to add a case, and commit the result. Element i of a tensor
named in the tests is i / 8 unless said otherwise, which fp32, fp16 and bf16 all hold exactly.
"""

import collections
import json
import os
import pathlib

import torch

FOLDER = pathlib.Path(__file__).parent / "torch_bin"


def counting(*shape, dtype=torch.float32):
    count = torch.Size(shape).numel()
    return (torch.arange(count) / 8).reshape(shape).to(dtype)


def save(case, state, name="pytorch_model.bin", **options):
    folder = FOLDER / case
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(state, folder / name, **options)


def state_dict(**tensors):
    """An OrderedDict with _metadata, as Module.state_dict() returns it."""
    state = collections.OrderedDict(tensors)
    state._metadata = collections.OrderedDict([("", {"version": 1}), ("linear", {"version": 1})])
    return state


class Forbidden:
    def __reduce__(self):
        return (os.system, ("echo this must never run",))


save("dtypes", state_dict(
    fp32=counting(5, 6), fp16=counting(5, 6, dtype=torch.float16),
    bf16=counting(5, 6, dtype=torch.bfloat16), vector=counting(7),
    scalar=torch.tensor(-1e9), empty=torch.zeros(0, 4),
    mask=torch.ones(1, 1, 4, 4).tril().bool(), ids=torch.arange(3), double=torch.zeros(2).double()))

base = counting(6, 8)
save("views", state_dict(
    whole=base, transposed=base.t(), rows=base[2:5], columns=base[:, 1:8:3],
    element_5=base.flatten()[5:6], expanded=base[1:2, :4].expand(3, 4)))

model = torch.nn.Linear(4, 3)
with torch.no_grad():
    model.weight.copy_(counting(3, 4))
    model.bias.copy_(counting(3))
save("parameters", {"weight": model.weight, "bias": model.bias, "step": 7, "note": None,
                    "ratio": 0.5, "list": [1, (2, 1 << 40), True]})

save("sharded", state_dict(first=counting(2, 3)), "pytorch_model-00001-of-00002.bin")
save("sharded", state_dict(second=counting(3, 2)), "pytorch_model-00002-of-00002.bin")
(FOLDER / "sharded" / "pytorch_model.bin.index.json").write_text(json.dumps({
    "metadata": {"total_size": 48},
    "weight_map": {"first": "pytorch_model-00001-of-00002.bin",
                   "second": "pytorch_model-00002-of-00002.bin"}}, indent=2) + "\n")

save("legacy", state_dict(weight=counting(2, 2)), _use_new_zipfile_serialization=False)
save("forbidden", {"weight": counting(2, 2), "payload": Forbidden()})
save("protocol_4", {"weight": counting(2, 2)}, pickle_protocol=4)
