#!/usr/bin/env python3
"""What transformers renders of chat templates, and of small pieces of Jinja.

Writes chat/templates.json (templates, conversations, and what comes of each pair) and
chat/snippets.json (a source, its variables, and what comes of it; "error": it is refused), and
chat/prompts.json: files of a tokenizer's folder, and the text and the ids of apply_chat_template().
"""

import datetime
import json
import pathlib
import shutil
import tempfile

from chat_snippets import SNIPPETS, VARIABLES
from chat_templates import TEMPLATES
from transformers import AutoTokenizer
from transformers.utils import chat_template_utils

# Noon, so that it is the same day nearly everywhere.
NOW = datetime.datetime(2026, 3, 5, 12, 0, 0)


class Clock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return NOW


chat_template_utils.datetime = Clock

TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather, in \"words\" & <numbers>.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer", "default": 1}},
            "required": ["city"],
        },
    },
}
CALL = {"id": "abcdefghi", "type": "function",
        "function": {"name": "get_weather", "arguments": {"city": "Zürich", "days": 2}}}


def said(role, content):
    return {"role": role, "content": content}


CONVERSATIONS = {
    "one": {"messages": [said("user", "Hello")]},
    "system": {"messages": [said("system", "Be brief. "), said("user", " What is 2+2?\n")]},
    "three": {"messages": [said("user", "Hi"), said("assistant", "  Hello! \n"), said("user", "Bye")]},
    "five": {"messages": [said("system", "S"), said("user", "a"), said("assistant", "b"),
                          said("user", "c"), said("assistant", "d")]},
    "unicode": {"messages": [said("user", "Grüße, 世界 🌍 \u00a0 \u2028 <b>&amp;</b> 'quotes' \"double\" \\n")]},
    "empty": {"messages": [said("user", "")]},
    "twice": {"messages": [said("user", "a"), said("user", "b")]},
    "assistant first": {"messages": [said("assistant", "a"), said("user", "b")]},
    "parts": {"messages": [said("user", [{"type": "text", "text": " one "}, {"type": "text", "text": "two"}])]},
    "thought": {"messages": [said("user", "q"), said("assistant", "<think>\nhm\n</think>\n\nanswer")]},
    "reasoned": {"messages": [said("user", "q"),
                              {"role": "assistant", "content": "x", "reasoning_content": "why"}]},
    "tools": {"messages": [said("user", "Weather?")], "tools": [TOOL]},
    "called": {"messages": [said("user", "Weather?"),
                            {"role": "assistant", "content": "", "tool_calls": [CALL]},
                            {"role": "tool", "content": "sunny", "tool_call_id": "abcdefghi"},
                            said("assistant", "It is sunny."), said("user", "Thanks")],
               "tools": [TOOL]},
    "odd role": {"messages": [said("critic", "no"), said("user", "yes")]},
    "template in it": {"messages": [said("user", "{{ 7 * 7 }} {% if true %}x{% endif %} {# no #}")]},
}
KWARGS = [{"add_generation_prompt": True}, {"add_generation_prompt": False},
          {"add_generation_prompt": True, "enable_thinking": False, "date_string": "1 May 2025"}]
SPECIAL = {"bos_token": "<s>", "eos_token": "</s>"}


def render(source, variables):
    try:
        return {"text": chat_template_utils._compile_jinja_template(source).render(**variables)}
    except Exception as error:  # whatever it is, a template or its use is at fault
        return {"error": str(error)}


def of_templates():
    cases = []
    for template, source in TEMPLATES.items():
        for conversation, variables in CONVERSATIONS.items():
            for index, kwargs in enumerate(KWARGS):
                given = {"tools": None, "documents": None, **SPECIAL, **variables, **kwargs}
                cases.append({"template": template, "conversation": conversation, "kwargs": index,
                              **render(source, given)})
    return {"templates": TEMPLATES, "conversations": CONVERSATIONS, "kwargs": KWARGS, "special": SPECIAL,
            "cases": cases}


def of_snippets():
    return {"variables": VARIABLES,
            "cases": [{"source": source, **render(source, VARIABLES)} for source in SNIPPETS]}


PLAIN = "{% for m in messages %}{{ m.role }}:{{ m.content }}{{ eos_token }}{% endfor %}"
SHOWN = "{{ bos_token }}|{{ eos_token }}|{{ unk_token }}|{{ pad_token }}|{{ sep_token }}|{{ extra_token }}"
TRIMMED = "{% for m in messages %}<{{ m.role }}>{{ m.content | trim }}</>{% endfor %}"


def config(template, **more):
    return json.dumps({"tokenizer_class": "GPTNeoXTokenizer", "chat_template": template, **more})


# Files beside tokenizer.json.
FOLDERS = {
    "a text": {"tokenizer_config.json": config(PLAIN)},
    "a list": {"tokenizer_config.json": config([{"name": "other", "template": "no"},
                                                {"name": "default", "template": PLAIN}])},
    "a list without a default": {"tokenizer_config.json": config([{"name": "a", "template": PLAIN}])},
    "a file": {"tokenizer_config.json": config("not this"), "chat_template.jinja": PLAIN + "\n"},
    "others alone": {"tokenizer_config.json": config(PLAIN),
                     "additional_chat_templates/rag.jinja": "no"},
    "a file and others": {"chat_template.jinja": PLAIN, "additional_chat_templates/rag.jinja": "no"},
    "a default among others": {"additional_chat_templates/default.jinja": PLAIN},
    "an old file": {"chat_template.json": json.dumps({"chat_template": PLAIN})},
    "none": {},
    "roles of the class": {"tokenizer_config.json": config(SHOWN)},
    "roles of files": {"tokenizer_config.json": config(
        SHOWN, bos_token="<|endoftext|>", eos_token={"content": "the", "__type": "AddedToken"},
        unk_token=None, sep_token="and", extra_token="x")},
    "roles of another class": {"tokenizer_config.json": json.dumps(
        {"tokenizer_class": "PreTrainedTokenizerFast", "chat_template": SHOWN, "eos_token": "King"})},
    "trimmed": {"tokenizer_config.json": config(TRIMMED)},
    "special in it": {"tokenizer_config.json": config("<|endoftext|>{{ messages[0].content }}<|endoftext|>")},
    "reasoning": {"tokenizer_config.json": config(
        "{{ messages[0] | tojson }}{{ messages[-1].thinking }}{{ messages[-1].reasoning_content }}")},
    "variables": {"tokenizer_config.json": config("{{ style }} {{ bos_token }} {{ add_generation_prompt }}")},
}
ASKED = [
    {"messages": [said("user", "Who art thou?")], "add_generation_prompt": True},
    {"messages": [said("user", " a <|endoftext|> b "), {"role": "assistant", "content": "My lord,  ",
                                                        "name": None}],
     "add_generation_prompt": False, "continue_final_message": True},
    {"messages": [said("user", "x"), {"role": "assistant", "content": "y", "reasoning": "why"}],
     "add_generation_prompt": False, "kwargs": {"style": "loud", "bos_token": "B"}},
]


def prompt_of(files, asked):
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        shutil.copy(pathlib.Path(__file__).parents[2] / "models/shakespeare-neox/tokenizer.json", folder)
        for file, text in files.items():
            (folder / file).parent.mkdir(exist_ok=True)
            (folder / file).write_text(text)
        (folder / "config.json").write_text(json.dumps({"model_type": "gpt_neox"}))
        given = {key: value for key, value in asked.items() if key not in ("messages", "kwargs")}
        given.update(asked.get("kwargs", {}))
        try:
            tokenizer = AutoTokenizer.from_pretrained(folder)
            text = tokenizer.apply_chat_template(asked["messages"], tokenize=False, **given)
            return {"text": text, "tokens": tokenizer(text, add_special_tokens=False).input_ids}
        except Exception as error:
            return {"error": str(error)}


def of_prompts():
    cases = [{"folder": name, "asked": index, **prompt_of(files, asked)}
             for name, files in FOLDERS.items() for index, asked in enumerate(ASKED)]
    return {"folders": FOLDERS, "asked": ASKED, "cases": cases}


def main():
    folder = pathlib.Path(__file__).parent / "chat"
    folder.mkdir(exist_ok=True)
    for name, made in [("templates", of_templates()), ("snippets", of_snippets()),
                       ("prompts", of_prompts())]:
        (folder / f"{name}.json").write_text(json.dumps(made, ensure_ascii=False, indent=0) + "\n")
        errors = sum("error" in case for case in made["cases"])
        print(f"{name}: {len(made['cases'])} cases, {errors} of them refused")


if __name__ == "__main__":
    main()
