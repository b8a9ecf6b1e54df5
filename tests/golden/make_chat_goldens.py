#!/usr/bin/env python3
"""What transformers renders of chat templates, and of small pieces of Jinja.

Writes chat/templates.json (templates, conversations, and what comes of each pair) and
chat/snippets.json (a source, its variables, and what comes of it; "error": it is refused).
"""

import datetime
import json
import pathlib

from chat_snippets import SNIPPETS, VARIABLES
from chat_templates import TEMPLATES
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


def main():
    folder = pathlib.Path(__file__).parent / "chat"
    folder.mkdir(exist_ok=True)
    for name, made in [("templates", of_templates()), ("snippets", of_snippets())]:
        (folder / f"{name}.json").write_text(json.dumps(made, ensure_ascii=False, indent=0) + "\n")
        errors = sum("error" in case for case in made["cases"])
        print(f"{name}: {len(made['cases'])} cases, {errors} of them refused")


if __name__ == "__main__":
    main()
