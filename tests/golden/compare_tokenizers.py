#!/usr/bin/env python3
"""Compares `lockstep tokenize` with the `tokenizers` package on many seeded strings.

    python3 tests/golden/compare_tokenizers.py --lockstep build/release/lockstep \\
        gpt2.tokenizer.json gpt-neox-20b.tokenizer.json

For each tokenizer.json: token ids of --strings texts (mixed scripts, emoji, control characters,
combining marks, long runs, look-alikes of added tokens, plain random code points), and the text of
those ids and of as many random id sequences, ids past the vocabulary among them. Prints each
difference (the first few) and exits with 1 if there is any.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile

from tokenizers import Tokenizer

SCRIPTS = [
    (0x20, 0x7E), (0x20, 0x7E), (0x20, 0x7E), (0xA0, 0x24F), (0x250, 0x36F), (0x370, 0x3FF),
    (0x400, 0x52F), (0x530, 0x5FF), (0x600, 0x6FF), (0x900, 0x97F), (0x980, 0xDFF), (0xE00, 0xEFF),
    (0xF00, 0xFFF), (0x1000, 0x11FF), (0x1200, 0x139F), (0x1800, 0x18AF), (0x1AB0, 0x1AFF),
    (0x1DC0, 0x1EFF), (0x1F00, 0x1FFF), (0x2000, 0x206F), (0x20D0, 0x20FF), (0x2100, 0x2BFF),
    (0x3000, 0x30FF), (0x3099, 0x309A), (0x4E00, 0x9FFF), (0xA640, 0xABFF), (0xAC00, 0xD7A3),
    (0xD7B0, 0xD7FF), (0xF900, 0xFAFF), (0xFB00, 0xFEFF), (0xFF00, 0xFFEF), (0x10000, 0x10FFF),
    (0x11000, 0x11FFF), (0x16000, 0x16FFF), (0x1D100, 0x1D7FF), (0x1E000, 0x1EFFF),
    (0x1F300, 0x1FAFF), (0x20000, 0x323AF), (0xE0000, 0xE01EF),
]
SPACES = " \t\n\r\v\f\x1c\x1f\x85\xa0\u1680\u180e\u2003\u200b\u2028\u202f\u205f\u2060\u3000\ufeff"
MARKS = ("\u0300\u0301\u0308\u030a\u0327\u0323\u0331\u0345\u0334\u05b0\u05c1\u064b\u0651\u093c\u094d"
         "\u0b3e\u0e38\u0f71\u0f72\u3099\u309a\u302a\u1dce\u1dfa\u20d0\ufe20\U0001d165\U00011930")
EMOJI = ["\U0001F999", "\u2764\ufe0f", "\U0001F468\u200d\U0001F469\u200d\U0001F467",
         "\U0001F44D\U0001F3FD", "\U0001F1E9\U0001F1EA", "3\ufe0f\u20e3"]
WORDS = ("the of and I'm you'll they've it's We'RE don't he'd 's 't ' '' 're' 12 345 6.78 1e9 x86 "
         "foo_bar C++ http://a.b/c?d=e ... !!! -- <html> {} [] \\n ½ ² Ⅻ ٣ Führer naïve Ω Å ﬁ ẛ̣ "
         "각 가\u11a8 \u1100\u1161\u11a8 \u212b \u2126 \u0958 \u0344 \u2adc").split(" ")


class Texts:
    def __init__(self, seed, added_tokens):
        self.random = random.Random(seed)
        self.added = added_tokens or ["<|endoftext|>"]

    def of_script(self):
        low, high = self.random.choice(SCRIPTS)
        count = self.random.randint(1, 12)
        return "".join(chr(self.random.randint(low, high)) for _ in range(count))

    def of_marks(self):
        base = self.random.choice("aeoAOUngyкअ가\u1100\u1161\u09c7\u0dd9\u0b47\u1025\u00c5\u1fbf ")
        count = self.random.randint(1, 6)
        return base + "".join(self.random.choice(MARKS) for _ in range(count))

    def of_any(self):
        code_points = (self.random.randrange(0x110000) for _ in range(self.random.randint(1, 6)))
        return "".join(chr(c) for c in code_points if not 0xD800 <= c <= 0xDFFF)

    def run(self):
        unit = self.random.choice([" ", "a", "\n", "=", "0", "é", "中", "\u0301", "ab", " \n", "- ",
                                   self.random.choice(SPACES), chr(self.random.randint(33, 126))])
        return unit * self.random.choice([2, 3, 5, 17, 24, 25, 48, 49, 100, 400])

    def look_alike(self):
        token = self.random.choice(self.added)
        cut = self.random.randint(0, len(token))
        return self.random.choice([token, token, token[:cut], token[cut:], token.upper(),
                                   token[:cut] + " " + token[cut:], token + token[:cut],
                                   token[:cut] + "\u0301" + token[cut:]])

    def piece(self):
        kind = self.random.randrange(14)
        if kind < 3:
            return self.random.choice(["", " "]) + self.random.choice(WORDS)
        if kind < 6:
            return self.of_script()
        if kind < 8:
            return "".join(self.random.choices(SPACES + "  \n", k=self.random.randint(1, 5)))
        if kind == 8:
            return "".join(chr(self.random.randint(0, 31)) for _ in range(3))
        return [self.of_marks, self.of_any, self.look_alike, self.run,
                lambda: self.random.choice(EMOJI)][kind - 9]()

    def text(self):
        return "".join(self.piece() for _ in range(self.random.randint(1, 12)))

    def ids(self, size):
        limit = self.random.choice([size, size, size + 100, 2**31 - 1, 300])
        return [self.random.randrange(limit) for _ in range(self.random.randint(0, 20))]


def lockstep(command, path, key, values, *flags):
    """Runs the command over JSONL; returns what it gives for each line."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as lines:
        for value in values:
            lines.write(json.dumps({key: value}, ensure_ascii=False) + "\n")
        lines.seek(0)
        done = subprocess.run([command, "tokenize", "--tokenizer", path, *flags], stdin=lines,
                              stdout=subprocess.PIPE, check=True)
    out = done.stdout.decode("utf-8").split("\n")[:-1]
    if len(out) != len(values):
        sys.exit(f"{command}: {len(out)} lines for {len(values)}")
    other = "text" if key == "tokens" else "tokens"
    return [json.loads(line)[other] for line in out]


def report(what, inputs, expected, found):
    different = [i for i in range(len(inputs)) if expected[i] != found[i]]
    print(f"  {what}: {len(inputs)} compared, {len(different)} differ", flush=True)
    for i in different[:5]:
        print(f"    input    {inputs[i]!r}\n    expected {expected[i]!r}\n    found    {found[i]!r}")
    return len(different)


def compare(command, path, count, seed):
    print(path, flush=True)
    reference = Tokenizer.from_file(path)
    reference.no_truncation()
    reference.no_padding()
    added = [token.content for token in reference.get_added_tokens_decoder().values()]
    source = Texts(seed, added)
    texts = [source.text() for _ in range(count)]
    ids = [reference.encode(text, add_special_tokens=False).ids for text in texts]
    differ = report("ids", texts, ids, lockstep(command, path, "text", texts))

    ids += [source.ids(reference.get_vocab_size()) for _ in range(count)]
    decoded = [reference.decode(i, skip_special_tokens=False) for i in ids]
    return differ + report("text", ids, decoded, lockstep(command, path, "tokens", ids, "--decode"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--lockstep", default="lockstep", help="the program to test")
    parser.add_argument("--strings", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=20)
    parser.add_argument("tokenizer", nargs="+", help="tokenizer.json files")
    options = parser.parse_args()
    differ = sum(compare(options.lockstep, path, options.strings, options.seed)
                 for path in options.tokenizer)
    sys.exit(1 if differ else 0)


if __name__ == "__main__":
    main()
