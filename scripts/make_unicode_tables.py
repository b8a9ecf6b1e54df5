#!/usr/bin/env python3
"""Writes tokenizer/unicode/unicode_tables.inc: what the reference tokenizer knows of Unicode.

The `tokenizers` package mixes three Unicode versions: one in its regular-expression engine (\\p{L},
\\p{N}, \\s), another in its word boundaries (\\w), a much older one in its normaliser. A library of
any single version therefore disagrees with it somewhere. So the tables are not taken from Unicode
data: every code point is put to the package itself, and its answers are written down.

    python3 scripts/make_unicode_tables.py > tokenizer/unicode/unicode_tables.inc

Progress and a comparison with Python's own Unicode data go to stderr. Takes about two minutes.
"""

import sys
import unicodedata

import tokenizers
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers

CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
HANGUL_FIRST, HANGUL_LAST = 0xAC00, 0xD7A3  # composed by arithmetic, so no table holds them

byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False)
nfd = normalizers.NFD().normalize_str
nfc = normalizers.NFC().normalize_str


def note(*words):
    print(*words, file=sys.stderr, flush=True)


def probe_classes():
    """The class of a code point is that of the sample that it joins into one word."""

    def joins(sample, char):
        return len(byte_level.pre_tokenize_str(sample + char)) == 1

    classes = {"letter": [], "number": [], "space": []}
    for c in CODE_POINTS:
        letter, number, other = (joins(sample, chr(c)) for sample in "a1!")
        assert letter + number + other <= 1, f"U+{c:04X} is in two classes"
        if letter:
            classes["letter"].append(c)
        elif number:
            classes["number"].append(c)
        elif not other:
            classes["space"].append(c)
    return classes


def probe_word_characters(spaces):
    """\\w beside a single_word token; and that lstrip and rstrip mean the same spaces as \\s."""

    def one_token(**flags):
        tokenizer = Tokenizer(models.BPE())
        tokenizer.add_tokens([AddedToken("@", normalized=False, **flags)])
        return tokenizer

    whole, strips = one_token(single_word=True), one_token(rstrip=True)
    for c in CODE_POINTS:
        stripped = strips.encode("@" + chr(c)).offsets[0][1] == 2
        assert stripped == (c in spaces), f"U+{c:04X} is a space only half of the time"
    return [c for c in CODE_POINTS if not whole.encode("@" + chr(c)).ids]


def probe_combining_classes():
    """Finds each class by how NFD orders a mark against one mark of every class."""
    lowest, highest = "\u0334", "\u0345"  # classes 1 and 240

    def moves_before(mark, sample):
        return nfd(sample + mark) == mark + sample != sample + mark

    def is_mark(char):
        return moves_before(char, highest) or moves_before(lowest, char)

    samples = {}
    for char in map(chr, CODE_POINTS):
        if unicodedata.combining(char) and is_mark(char):
            samples.setdefault(unicodedata.combining(char), char)

    classes = {}
    for c in CODE_POINTS:
        char = chr(c)
        if nfd(char) == char and is_mark(char):
            above = [k for k, sample in samples.items() if moves_before(char, sample)]
            below = [k for k, sample in samples.items() if moves_before(sample, char)]
            (own,) = set(samples) - set(above) - set(below)
            classes[c] = own
    return classes


def probe_decompositions():
    return {
        c: [ord(d) for d in nfd(chr(c))]
        for c in CODE_POINTS
        if nfd(chr(c)) != chr(c) and not HANGUL_FIRST <= c <= HANGUL_LAST
    }


def probe_compositions(decompositions):
    """(first, second) -> composite, for every composite that NFC rebuilds."""
    pairs = {}
    for c, parts in decompositions.items():
        text = "".join(map(chr, parts))
        if nfc(text) != chr(c):
            continue
        first = nfc(text[:-1])
        assert len(first) == 1 and nfc(first + text[-1]) == chr(c)
        pairs[ord(first), parts[-1]] = c
    # No pair is missing. (A first that decomposes may take in a mark that sorts below its own.)
    firsts, seconds = {a for a, _ in pairs}, {b for _, b in pairs}
    for a in firsts - set(decompositions):
        for b in seconds:
            joined = nfc(chr(a) + chr(b))
            assert (len(joined) == 1) == ((a, b) in pairs), f"U+{a:04X} U+{b:04X}"
    return pairs


def ranges(code_points):
    found = []
    for c in code_points:
        if found and found[-1][1] == c - 1:
            found[-1][1] = c
        else:
            found.append([c, c])
    return [tuple(r) for r in found]


def braces(value):
    return "{" + ", ".join(map(braces, value)) + "}" if isinstance(value, tuple) else f"0x{value:X}"


def emit(comment, declaration, rows):
    print(f"\n// {comment}\ninline constexpr {declaration} = {{")
    line = ""
    for row in rows:
        text = braces(row) + ","
        if len(line) + len(text) > 96:
            print("   " + line)
            line = ""
        line += " " + text
    print("   " + line + "\n};")


def compare_with_python(classes):
    """Assigned characters never change class, so Python's older data must agree on them."""
    initial = {"letter": "L", "number": "N"}
    for name, first in initial.items():
        known = set(classes[name])
        for c in CODE_POINTS:
            category = unicodedata.category(chr(c))
            if category != "Cn" and (category[0] == first) != (c in known):
                note(f"U+{c:04X}: {category} here, {name} differs in the package")
    note({k: len(v) for k, v in classes.items()}, "Python's Unicode:", unicodedata.unidata_version)


def main():
    classes = probe_classes()
    compare_with_python(classes)
    words = probe_word_characters(set(classes["space"]))
    combining = probe_combining_classes()
    decompositions = probe_decompositions()
    compositions = probe_compositions(decompositions)
    note(f"{len(words)} word characters, {len(combining)} marks, "
         f"{len(decompositions)} decompositions, {len(compositions)} compositions")

    print("// Generated by scripts/make_unicode_tables.py; do not edit.")
    print(f"// The answers of the tokenizers package, version {tokenizers.__version__}, "
          "for every code point.")
    emit("\\p{L}: first, last.", "CodePointRange kLetters[]", ranges(classes["letter"]))
    emit("\\p{N}: first, last.", "CodePointRange kNumbers[]", ranges(classes["number"]))
    emit("\\s: first, last.", "CodePointRange kSpaces[]", ranges(classes["space"]))
    emit("\\w, which bounds single_word tokens: first, last.", "CodePointRange kWordCharacters[]",
         ranges(words))
    marks = [(a, b, k) for k in sorted(set(combining.values()))
             for a, b in ranges(c for c in combining if combining[c] == k)]
    emit("Marks that NFC reorders: first, last, canonical combining class.",
         "CombiningClassRange kCombiningClasses[]", sorted(marks))
    emit("Full canonical decompositions, without Hangul: code point, parts.",
         "Decomposition kDecompositions[]",
         [(c, tuple(parts)) for c, parts in sorted(decompositions.items())])
    emit("Canonical compositions, without Hangul: first, second, composite.",
         "Composition kCompositions[]",
         [(a, b, c) for (a, b), c in sorted(compositions.items())])


if __name__ == "__main__":
    main()
