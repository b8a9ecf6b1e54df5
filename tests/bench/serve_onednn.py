"""oneDNN's products of a shape's matrices (through PyTorch) and nothing else: a ceiling, no rival.

The same lines as serve_torch.py. dtype bf16 multiplies bf16, int8 bytes with scales of rows. Every
block's matrices are memory of their own, as a model's are.
"""

import json
import sys
import time

import torch


def matrices(shape):
    """(inputs, outputs) of a block's products, and of the head."""
    width, d_ff = shape["d_model"], shape["d_ff"]
    block = [(width, 3 * width), (width, width), (width, d_ff), (d_ff, width)]
    return block, (width, shape["vocab_rows"])


class Bf16:
    def __init__(self, inputs, outputs):
        self.inputs = inputs
        self.linear = torch.nn.Linear(inputs, outputs, bias=False, dtype=torch.bfloat16).eval()

    def rows(self, count):
        return torch.randn(count, self.inputs, dtype=torch.bfloat16)

    def multiply(self, rows):
        self.linear(rows)


class Int8:
    def __init__(self, inputs, outputs):
        self.inputs = inputs
        weight = torch.randint(-127, 127, (outputs, inputs), dtype=torch.int8)
        self.weight = torch.ops.onednn.qlinear_prepack(weight, None)
        self.scales = torch.full((outputs,), 0.01)
        self.zeros = torch.zeros(outputs, dtype=torch.int64)

    def rows(self, count):
        return torch.randint(0, 255, (count, self.inputs), dtype=torch.uint8)

    def multiply(self, rows):
        torch.ops.onednn.qlinear_pointwise(
            *(rows, 0.02, 3, self.weight, self.scales, self.zeros, None),
            *(1.0, 0, torch.float32, "none", [], ""),
        )


@torch.inference_mode()
def measure(blocks, head, case):
    prompt = case["new_tokens"] == 0
    count = case["sequences"] * (case["prompt_tokens"] if prompt else 1)
    rows = {one.inputs: one.rows(count) for one in [*blocks[0], head]}
    last = head.rows(case["sequences"])
    steps = max(case["new_tokens"], 1)
    start = time.perf_counter()
    for _ in range(steps):
        for block in blocks:
            for one in block:
                one.multiply(rows[one.inputs])
        head.multiply(last)
    return {"tokens": count * steps, "seconds": time.perf_counter() - start}


def main():
    setup = json.loads(sys.stdin.readline())
    torch.set_num_threads(setup["threads"])
    kind = {"bf16": Bf16, "int8": Int8}[setup["dtype"]]
    block, head = matrices(setup["shape"])
    with torch.inference_mode():
        blocks = [[kind(*dims) for dims in block] for _ in range(setup["shape"]["layers"])]
        last = kind(*head)
    print(json.dumps({"ready": f"PyTorch {torch.__version__}"}), flush=True)
    for line in sys.stdin:
        print(json.dumps(measure(blocks, last, json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
