"""What the compiler makes of loops whose results do not tell. Those that measure what a processor can multiply at most
keep their sums in registers: one that is kept in memory measures stores, and its peak would be one that kernels exceed.
Attention asks for keys and values before it reads them, which a compiler may leave out."""
import os
import re
import shutil
import subprocess
import sys
import unittest

PROGRAM = os.environ["LOCKSTEP"]
LOOPS = {"FmaAvx512": "vfmadd", "FmaAvx2": "vfmadd", "DotInt8Avx2": "vpmaddwd", "DotBf16Avx512": "vdpbf16ps",
         "DotInt8Avx512": "vpdpbusd"}
INSTRUCTION = re.compile(r"^\s*([0-9a-f]+):\s+(\S+)\s*([^<]*)")


def symbols() -> dict[str, str]:
    """Of the loops, by their names."""
    named = subprocess.run(["nm", PROGRAM], capture_output=True, text=True, check=True).stdout.split()
    return {loop: next((symbol for symbol in named if f"{len(loop)}{loop}El" in symbol), None) for loop in LOOPS}


def instructions(symbol: str) -> str:
    return subprocess.run(["objdump", "-d", "--no-show-raw-insn", f"--disassemble={symbol}", PROGRAM],
                          capture_output=True, text=True, check=True).stdout


def body(symbol: str, what: str) -> list[tuple[str, str]]:
    """The instructions and operands of the loop that has these instructions: from where its jump goes to."""
    text = instructions(symbol)
    found = [(int(at, 16), name, operands.strip()) for at, name, operands in
             (match.groups() for match in map(INSTRUCTION.match, text.splitlines()) if match)]
    for place, name, operands in found:
        if not name.startswith("j") or not re.fullmatch("[0-9a-f]+", operands) or int(operands, 16) >= place:
            continue
        inside = [(one, words) for at, one, words in found if int(operands, 16) <= at <= place]
        if any(one.startswith(what) for one, _ in inside):
            return inside
    raise AssertionError(f"{symbol}: no loop with {what}")


class Loops(unittest.TestCase):
    def test_touch_no_memory(self):
        for loop, symbol in symbols().items():
            with self.subTest(loop):
                self.assertIsNotNone(symbol, "not in the program")
                in_memory = [words for words in body(symbol, LOOPS[loop]) if "(" in words[1]]
                self.assertEqual(in_memory, [])

    def test_of_attention_fetch_ahead(self):
        named = subprocess.run(["nm", PROGRAM], capture_output=True, text=True, check=True).stdout.split()
        attention = {symbol for symbol in named if "12AttentionRun" in symbol or "RunAttention" in symbol}
        self.assertTrue(attention, "not in the program")
        self.assertIn("prefetch", "".join(map(instructions, attention)))


if __name__ == "__main__":
    missing = [tool for tool in ("nm", "objdump") if shutil.which(tool) is None]
    if missing:
        print(f"skipped: no {' and no '.join(missing)}")
        sys.exit(77)
    unittest.main()
