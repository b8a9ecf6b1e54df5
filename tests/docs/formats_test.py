"""The tables of the server's requests in docs/guide/formats.md are those of its OpenAPI description.

    formats_test.py --write     writes them"""
import json
import re
import sys
import unittest

import pages

PAGE = pages.ROOT / "docs/guide/formats.md"
SCHEMAS = json.loads((pages.ROOT / "server/openapi/openapi.json").read_text())["components"]["schemas"]


def resolved(schema: dict) -> dict:
    """With what it refers to and consists of."""
    if "$ref" in schema:
        return resolved({**SCHEMAS[schema["$ref"].split("/")[-1]], **{k: v for k, v in schema.items() if k != "$ref"}})
    for part in schema.get("allOf", ()):
        part = resolved(part)
        schema = {**part, **schema, "properties": {**part.get("properties", {}), **schema.get("properties", {})}}
    return schema


def kind(schema: dict) -> str:
    schema = resolved(schema)
    if "const" in schema:
        return f"`{json.dumps(schema['const'])}`"
    if "enum" in schema:
        return ", ".join(f"`{json.dumps(value)}`" for value in schema["enum"] if value is not None)
    choices = None if "type" in schema else schema.get("anyOf") or schema.get("oneOf")
    if choices:
        return " or ".join(dict.fromkeys(kind(choice) for choice in choices if choice.get("type") != "null"))
    kinds = schema.get("type", "anything")
    kinds = [kinds] if isinstance(kinds, str) else kinds
    words = []
    for one in kinds:
        if one == "null":
            continue
        if one == "array":
            words.append("empty list" if schema.get("maxItems") == 0 else "list of " + kind(schema.get("items", {})))
        elif one in ("integer", "number") and ("minimum" in schema or "maximum" in schema):
            low, high = schema.get("minimum"), schema.get("maximum")
            words.append(one + (f" from {low}" if low is not None else "") +
                         ((" to " if low is not None else " up to ") + str(high) if high is not None else ""))
        else:
            words.append({"string": "text", "object": "object", "boolean": "true or false"}.get(one, one))
    return " or ".join(words) or "null"


def table(name: str) -> str:
    lines = ["| field | value | default | meaning |", "| --- | --- | --- | --- |"]
    schema = resolved(SCHEMAS[name])
    for field, what in schema["properties"].items():
        what = resolved(what)
        default = f"`{json.dumps(what['default'])}`" if "default" in what else \
            "needed" if field in schema.get("required", ()) else ""
        cells = [f"`{field}`", kind(what), default, what.get("description", "")]
        lines.append("|" + "|".join(f" {cell} " if cell else " " for cell in
                                    (cell.replace("|", "\\|") for cell in cells)) + "|")
    return "\n".join(lines) + "\n"


def with_tables(text: str) -> str:
    return re.sub(r"(?s)(<!-- table: schema (\w+) -->\n).*?(<!-- end of table -->\n)",
                  lambda found: found[1] + table(found[2]) + found[3], text)


class Formats(unittest.TestCase):
    maxDiff = None

    def test_are_those_of_the_description(self):
        text = PAGE.read_text()
        self.assertEqual(text, with_tables(text), "run tests/docs/formats_test.py --write")

    def test_has_every_kind_of_request(self):
        text = PAGE.read_text()
        for name in SCHEMAS:
            if name.endswith("Request"):
                self.assertIn(f"<!-- table: schema {name} -->", text)


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        PAGE.write_text(with_tables(PAGE.read_text()))
    else:
        unittest.main()
