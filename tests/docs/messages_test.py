"""The messages of docs/guide/troubleshooting.md are the program's."""
import re
import unittest

import pages

PAGE = pages.ROOT / "docs/guide/troubleshooting.md"


def literals() -> str:
    """All string literals of the product, those that stand side by side as one."""
    text = ""
    for file in pages.tracked_files():
        if re.search(r"\.(cpp|h|cu)$", file) and not file.startswith("tests/"):
            source = (pages.ROOT / file).read_text()
            text += re.sub(r'"\s*\n\s*"', "", source).replace('\\"', '"')
    return text


class Messages(unittest.TestCase):
    def test_are_in_the_program(self):
        known = re.sub(r"\{[^{}]*\}", "{}", literals())
        rows = re.findall(r"(?m)^\| `([^`]+)` \|", PAGE.read_text())
        self.assertGreater(len(rows), 15)
        for row in rows:
            for part in row.split("…"):
                part = part.strip(" :;")
                if part:
                    with self.subTest(message=row, part=part):
                        self.assertIn(part, known)


if __name__ == "__main__":
    unittest.main()
