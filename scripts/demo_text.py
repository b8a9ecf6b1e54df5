"""Text, tokenizers and batches of the two demo models (see train_demo_models.py).

The tokenizers are small, but built like the ones of the real families, so that the same C++ code
paths run: GPT-2's (no normalizer, `<|endoftext|>` is the last id) and GPT-NeoX-20B's (NFC,
`<|endoftext|>` = 0 and `<|padding|>` = 1 come first).
"""

import json

import numpy as np
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

END_OF_TEXT = "<|endoftext|>"
PADDING = "<|padding|>"

# The held-out part is the last tenth of the characters, moved forward to the start of a speech
# (the first blank line), so that no line is cut in two. Nothing else ever sees it: neither the
# tokenizer's merges nor the gradient, only the choice of the best checkpoint.
HELD_OUT_FRACTION = 0.1


def split_text(text):
    """Returns (training text, held-out text)."""
    at = text.index("\n\n", int(len(text) * (1 - HELD_OUT_FRACTION))) + 2
    return text[:at], text[at:]


def _train_bpe(text, vocab_size, special_tokens):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=special_tokens,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    # By lines, because the trainer counts words per item; the line break is part of the item.
    tokenizer.train_from_iterator(text.splitlines(keepends=True), trainer)
    model = json.loads(tokenizer.to_str())["model"]
    return model["vocab"], [tuple(m) if isinstance(m, list) else tuple(m.split(" ")) for m in model["merges"]]


def gptj_tokenizer(text, vocab_size):
    """A tokenizer of GPT-2's structure with vocab_size ids, the end-of-text token last."""
    vocab, merges = _train_bpe(text, vocab_size - 1, [])
    vocab[END_OF_TEXT] = len(vocab)
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    tokenizer.add_special_tokens([AddedToken(END_OF_TEXT, normalized=True, special=True)])
    return tokenizer


def neox_tokenizer(text, vocab_size):
    """A tokenizer of GPT-NeoX-20B's structure with vocab_size ids, the special tokens first."""
    vocab, merges = _train_bpe(text, vocab_size, [END_OF_TEXT, PADDING])
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=True)
    tokenizer.add_special_tokens([AddedToken(t, normalized=False, special=True) for t in (END_OF_TEXT, PADDING)])
    return tokenizer


class Merges:
    """For every id the two ids it was merged from (-1 where it is a single byte or special)."""

    def __init__(self, tokenizer):
        vocab = tokenizer.get_vocab()
        self.parents = np.full((len(vocab), 2), -1, dtype=np.int64)
        for merge in json.loads(tokenizer.to_str())["model"]["merges"]:
            left, right = merge if isinstance(merge, list) else merge.split(" ")
            self.parents[vocab[left + right]] = (vocab[left], vocab[right])

    def split_some(self, ids, probability, rng):
        """Replaces each merged token by its two parts with the given probability, twice over.

        With so little text the model would learn the spelling of each token's context by heart;
        seeing the same words cut in different ways keeps it honest (subword regularisation).
        """
        for _ in range(2):
            chosen = (rng.random(len(ids)) < probability) & (self.parents[ids, 0] >= 0)
            pieces = np.stack([ids, np.full_like(ids, -1)], axis=1)
            pieces[chosen] = self.parents[ids[chosen]]
            ids = pieces.reshape(-1)
            ids = ids[ids >= 0]
        return ids


def speech_starts(ids, tokenizer, context):
    """Positions just after a blank line, where the next speaker's name stands."""
    newline = tokenizer.encode("\n").ids[0]
    after = np.flatnonzero((ids[:-1] == newline) & (ids[1:] == newline)) + 2
    return after[after < len(ids) - context - 1]


def batch(ids, starts, size, context, rng):
    """[size, context + 1] windows: half begin at a speech, as prompts do, half anywhere."""
    at = rng.integers(0, len(ids) - context - 1, size)
    at[: size // 2] = rng.choice(starts, size // 2)
    return np.stack([ids[i : i + context + 1] for i in at])
