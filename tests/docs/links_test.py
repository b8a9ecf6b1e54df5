"""Every link of the documentation leads somewhere, and every path that it names exists."""
import re
import unittest

import pages


def anchor(heading: str) -> str:
    """As GitHub makes it of a heading."""
    plain = re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", heading.strip())
    return re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")


def anchors(page) -> set[str]:
    return {anchor(heading) for heading in re.findall(r"(?m)^#+ (.*)$", pages.prose(page))}


class Links(unittest.TestCase):
    def test_lead_somewhere(self):
        for page in pages.pages():
            for target in re.findall(r"\]\(([^)\s]+)\)", pages.prose(page)):
                if re.match(r"[a-z]+:", target):
                    continue
                path, _, fragment = target.partition("#")
                with self.subTest(page=pages.name(page), target=target):
                    aim = (page.parent / path).resolve() if path else page
                    self.assertTrue(aim.exists(), "no such file")
                    if fragment and aim.suffix == ".md":
                        self.assertIn(fragment, anchors(aim))

    def test_every_page_can_be_reached_from_the_readme(self):
        reached, waiting = set(), [pages.ROOT / "README.md"]
        while waiting:
            page = waiting.pop()
            if page in reached:
                continue
            reached.add(page)
            for target in re.findall(r"\]\(([^)\s#]+\.md)[^)]*\)", pages.prose(page)):
                if not re.match(r"[a-z]+:", target):
                    waiting.append((page.parent / target).resolve())
        self.assertEqual([pages.name(page) for page in pages.pages() if page not in reached], [])


class Paths(unittest.TestCase):
    def test_that_pages_name_exist(self):
        files = set(pages.tracked_files())
        tops = {file.split("/")[0] for file in files if "/" in file}
        for page in pages.pages():
            for path in re.findall(r"`([\w.\-]+/[\w.\-/]+)`", pages.prose(page)):
                if path.split("/")[0] not in tops:
                    continue
                with self.subTest(page=pages.name(page), path=path):
                    self.assertTrue(any(file == path.rstrip("/") or file.startswith(path.rstrip("/") + "/") or
                                        file.startswith(path + ".") for file in files), "no such file")

    def test_of_pages_that_code_names_exist(self):
        for file in pages.tracked_files():
            path = pages.ROOT / file
            if file == "CHANGELOG.md" or file.startswith("tests/data/") or not path.is_file():
                continue
            for page in set(re.findall(rb"(?<![\w/])docs/[\w/]+\.md", path.read_bytes())):
                with self.subTest(file=file, page=page.decode()):
                    self.assertTrue((pages.ROOT / page.decode()).is_file(), "no such page")


class Tests(unittest.TestCase):
    def test_that_pages_name_exist(self):
        found = 0
        for page in pages.pages():
            for name, target in re.findall(r"\[`([\w.]+)`\]\(([^)#\s]*tests/[^)\s]+)\)", pages.prose(page)):
                source = (page.parent / target).read_text()
                suite, _, test = name.partition(".")
                with self.subTest(page=pages.name(page), test=name):
                    if target.endswith(".py"):
                        self.assertTrue(f"def {name}(" in source or target.endswith("/" + name), "no such test")
                    else:
                        self.assertRegex(source, rf"(?m)^TEST\w*\({suite}, {test}\)")
                    found += 1
        self.assertGreater(found, 30)


if __name__ == "__main__":
    unittest.main()
