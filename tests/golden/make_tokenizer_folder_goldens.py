"""Which ids AutoTokenizer gives in folders with more than a tokenizer.json: tokenizer_folders.json.

The tokenizer is that of tests/unit/tokenizer/tiny_tokenizer.h: byte b has the id b, then "ab", "abc" and
" ab". A case says which files lie beside it, how tokenizer.json itself is changed (a JSON merge patch, or
null for vocab.json and merges.txt instead), and holds the ids of TEXTS, with their text without special tokens.
"""

import json
import os
import pathlib
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"

from transformers import AutoTokenizer  # noqa: E402
from transformers.convert_slow_tokenizer import bytes_to_unicode  # noqa: E402

TEXTS = ["abc ab", " ab", "ab<|endoftext|>abc<|padding|> ab", "e\u0301 <pad> [X]ab <x> ab", "a [X] <s>ab</s><img>q<e>",
         "q<new> ab<bos>ab  [Y]b", ""]  # fmt: skip

BYTES = bytes_to_unicode()
VOCABULARY = {BYTES[byte]: byte for byte in range(256)} | {"ab": 256, "abc": 257, "\u0120ab": 258}
BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
TOKENIZER = {
    "version": "1.0", "added_tokens": [], "normalizer": None, "pre_tokenizer": BYTE_LEVEL, "post_processor": None,
    "decoder": BYTE_LEVEL, "model": {"type": "BPE", "vocab": VOCABULARY, "merges": ["a b", "ab c", "\u0120 ab"]},
}  # fmt: skip


def token(content, id=None, **flags):
    usual = dict(content=content, single_word=False, lstrip=False, rstrip=False, normalized=False, special=False)
    return usual | flags | ({} if id is None else {"id": id})


NEOX, GPTJ = {"model_type": "gpt_neox"}, {"model_type": "gptj"}
SPACE = {"add_prefix_space": True}
IN_FILE = {"added_tokens": [token("<|endoftext|>", 259, special=True), token("<x>", 260)]}
DECODER = {"added_tokens_decoder": {"259": token("<|endoftext|>", special=True), "260": token("[X]", lstrip=True)}}


def of(name, **config):
    return {"tokenizer_class": name, **config}


# name: (config.json, tokenizer_config.json, other files, patch of tokenizer.json)
CASES = {}


def case(name, config, tokenizer_config=None, patch=None, **files):
    files = {key.replace("__", "."): value for key, value in files.items()}
    if config is not None:
        files["config.json"] = config
    if tokenizer_config is not None:
        files["tokenizer_config.json"] = tokenizer_config
    assert name not in CASES, name
    CASES[name] = (files, patch if patch is not None else {})


FAST = "PreTrainedTokenizerFast"
for model, config in {"neox": NEOX, "gptj": GPTJ}.items():
    own = "GPTNeoXTokenizer" if model == "neox" else "GPT2Tokenizer"
    case(f"{model}: tokenizer.json alone", config)
    case(f"{model}: tokenizer.json with added tokens", config, patch=IN_FILE)
    for name in ("GPT2Tokenizer", "GPT2TokenizerFast", "GPTNeoXTokenizer", "GPTNeoXTokenizerFast", FAST,
                 "TokenizersBackend", "UnheardOfTokenizer", None):  # fmt: skip
        options = {} if name is None else of(name)
        case(f"{model}: {name} with a space", config, options | SPACE)
        case(f"{model}: {name} with added tokens", config, options | DECODER | {"pad_token": "<pad>"}, patch=IN_FILE)
    case(f"{model}: a class in config.json", config | of("GPT2TokenizerFast" if model == "neox" else "GPTNeoXTokenizer"),
         SPACE)  # fmt: skip
    case(f"{model}: a space in tokenizer.json", config, patch={"pre_tokenizer": {"add_prefix_space": True}})
    case(f"{model}: a space in tokenizer.json, a plain class", config, of(FAST),
         patch={"pre_tokenizer": {"add_prefix_space": True}})  # fmt: skip
    case(f"{model}: a space in tokenizer.json, none beside it", config, of(own, add_prefix_space=False),
         patch={"pre_tokenizer": {"add_prefix_space": True}})  # fmt: skip
    case(f"{model}: NFC in tokenizer.json", config, patch={"normalizer": {"type": "NFC"}})
    case(f"{model}: NFC in tokenizer.json, a plain class", config, of(FAST), patch={"normalizer": {"type": "NFC"}})
    case(f"{model}: whole texts in tokenizer.json", config, patch={"pre_tokenizer": {"use_regex": False}})
    case(f"{model}: ignore_merges in tokenizer.json", config,
         patch={"model": {"ignore_merges": True, "merges": ["a b"]}})  # fmt: skip
    case(f"{model}: a template in tokenizer.json", config, of(own),
         patch={"post_processor": {"type": "TemplateProcessing", "single": [{"Sequence": {"id": "A", "type_id": 0}}],
                                   "pair": [], "special_tokens": {}}})  # fmt: skip
    for kind, name in (("own", own), ("plain", FAST)):
        label = f"{model}, {kind} class"
        case(f"{label}: add_bos_token", config, of(name, add_bos_token=True, add_eos_token=True, bos_token="<s>"))
        case(f"{label}: roles", config, of(name, bos_token="<s>", eos_token="</s>", unk_token="<x>", pad_token="<pad>"))
        case(f"{label}: roles of null", config, of(name, bos_token=None, eos_token=None, unk_token=None, pad_token=None))
        case(f"{label}: roles with flags", config,
             of(name, bos_token=token("<s>", lstrip=True) | {"__type": "AddedToken"},
                pad_token=token("[X]", lstrip=True, rstrip=True) | {"__type": "AddedToken"}))  # fmt: skip
        case(f"{label}: extra special tokens", config, of(name, extra_special_tokens=["<x>", "[X]", "<x>"]))
        case(f"{label}: additional special tokens", config, of(name, additional_special_tokens=["<x>", "[X]"]))
        case(f"{label}: both kinds of them", config,
             of(name, additional_special_tokens=["<x>"], extra_special_tokens=["[X]"]))  # fmt: skip
        case(f"{label}: named special tokens", config, of(name, extra_special_tokens={"image_token": "<img>"}))
        case(f"{label}: a role of the model's own", config, of(name, image_token="<img>", eot_token="<e>", pad_token="<pad>"))
        case(f"{label}: added_tokens.json", config, of(name), added_tokens__json={"<new>": 259, "[X]": 260})
        case(f"{label}: added_tokens.json with roles", config, of(name, pad_token="<new>"),
             added_tokens__json={"[X]": 260, "<new>": 259})  # fmt: skip
        case(f"{label}: added_tokens.json beside tokenizer.json's own", config, of(name), patch=IN_FILE,
             added_tokens__json={"<new>": 261, "<x>": 260})  # fmt: skip
        case(f"{label}: added_tokens.json with the ids of others", config, of(name), patch=IN_FILE,
             added_tokens__json={"<new>": 260, "[X]": 259})  # fmt: skip
        case(f"{label}: special_tokens_map.json", config, of(name),
             special_tokens_map__json={"bos_token": "<bos>", "pad_token": token("<pad>", lstrip=True)})  # fmt: skip
        case(f"{label}: special_tokens_map.json over the configuration", config, of(name, bos_token="<s>"), patch=IN_FILE,
             special_tokens_map__json={"bos_token": "<bos>", "additional_special_tokens": ["[X]", "<x>"]})  # fmt: skip
        case(f"{label}: special_tokens_map.json with short tokens", config, of(name),
             special_tokens_map__json={"bos_token": {"content": "<bos>"}, "extra_special_tokens": ["[Y]"]})  # fmt: skip
        case(f"{label}: added_tokens_decoder before the old files", config, of(name, **DECODER),
             special_tokens_map__json={"bos_token": "<bos>"}, added_tokens__json={"<new>": 261})  # fmt: skip
        case(f"{label}: added_tokens_decoder before tokenizer.json", config, of(name, **DECODER),
             patch={"added_tokens": [token("[X]", 259), token("<new>", 260)]})  # fmt: skip
        case(f"{label}: added_tokens_decoder with other flags", config,
             of(name, added_tokens_decoder={"260": token("<x>", special=True, rstrip=True)}), patch=IN_FILE)  # fmt: skip
        case(f"{label}: ids past the next free one", config,
             of(name, added_tokens_decoder={"300": token("[X]"), "270": token("<new>")}))  # fmt: skip
        case(f"{label}: tokens that the vocabulary has", config,
             of(name, added_tokens_decoder={"256": token("ab"), "259": token("<new>")}))  # fmt: skip
        case(f"{label}: special tokens of the text stay text", config,
             of(name, split_special_tokens=True, **DECODER), patch=IN_FILE)  # fmt: skip
        case(f"{label}: padding in tokenizer.json", config, of(name),
             patch={"padding": {"strategy": "BatchLongest", "direction": "Right", "pad_to_multiple_of": None,
                                "pad_id": 260, "pad_type_id": 0, "pad_token": "<pad>"}})  # fmt: skip
case("no config.json, a class", None, of("GPT2TokenizerFast", **SPACE))
case("no config.json, a class of NeoX", None, of("GPTNeoXTokenizer", **SPACE))
case("no config.json, a plain class", None, of(FAST, pad_token="<pad>", **SPACE))
case("no config.json, no class", None, SPACE | {"pad_token": "<pad>"})
case("no config.json, tokenizer.json alone", None)
case("another model", {"model_type": "gpt2"}, SPACE)
case("an unknown model", {"model_type": "llama"}, SPACE | {"pad_token": "<pad>"})
for model, config in {"neox": NEOX, "gptj": GPTJ}.items():
    files = {"vocab.json": VOCABULARY, "merges.txt": "#version: 0.2\na b\nab c\n\u0120 ab\n"}
    own = "GPTNeoXTokenizer" if model == "neox" else "GPT2Tokenizer"
    for label, beside in {
        "alone": {}, "with a space": {"tokenizer_config.json": of(own, **SPACE)},
        "with named tokens": {"tokenizer_config.json": of(own, image_token="<img>", extra_special_tokens={"e": "<e>"})},
        "with short tokens": {"special_tokens_map.json": {"bos_token": {"content": "<bos>"}}},
    }.items():  # fmt: skip
        CASES[f"{model}: vocab.json {label}"] = (files | beside | {"config.json": config}, None)


def merged(target, patch):
    """RFC 7396, but null stays as a value."""
    if not isinstance(patch, dict) or not isinstance(target, dict):
        return patch
    return target | {key: merged(target.get(key), value) for key, value in patch.items()}


def run(files, patch):
    with tempfile.TemporaryDirectory() as folder:
        if patch is not None:
            files = files | {"tokenizer.json": merged(TOKENIZER, patch)}
        for name, value in files.items():
            text = value if isinstance(value, str) else json.dumps(value)
            pathlib.Path(folder, name).write_text(text)
        tokenizer = AutoTokenizer.from_pretrained(folder)
        ids = [tokenizer(text)["input_ids"] for text in TEXTS]
        return ids, [tokenizer.decode(row, skip_special_tokens=True) for row in ids], type(tokenizer).__name__


def main():
    lines = []
    for name, (files, patch) in CASES.items():
        entry = {"name": name, "files": files, "patch": patch}
        try:
            entry["ids"], entry["without_special"], entry["class"] = run(files, patch)
        except Exception as error:  # it cannot be compared
            entry["error"] = f"{type(error).__name__}: {error}".splitlines()[0][:160]
            print(f"{name}: {entry['error']}")
        # The vocabulary is known; only what is beside it matters.
        # As text: ids follow the order of keys.
        entry["files"] = {key: json.dumps(value) for key, value in files.items() if key not in ("vocab.json", "merges.txt")}
        lines.append(json.dumps(entry))
    out = pathlib.Path(__file__).parent / "tokenizer_folders.json"
    texts = json.dumps(TEXTS)
    out.write_text('{"texts": ' + texts + ',\n"cases": [\n' + ",\n".join(lines) + "\n]}\n")


if __name__ == "__main__":
    main()
