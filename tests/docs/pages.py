"""The pages of the documentation, and what stands in them."""
import dataclasses
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]


def pages() -> list[pathlib.Path]:
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def name(page: pathlib.Path) -> str:
    return str(page.relative_to(ROOT))


def tracked_files() -> list[str]:
    """All files of the repository; of a copy without git, all but those of builds."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode == 0:
        return listed.stdout.split("\n")[:-1]
    return [str(path.relative_to(ROOT)) for path in ROOT.rglob("*")
            if path.is_file() and path.relative_to(ROOT).parts[0] not in ("build", ".git")]


@dataclasses.dataclass
class Block:
    """A fenced block. `mark` is what a comment `<!-- run... -->` in the line above it says."""
    page: pathlib.Path
    line: int
    language: str
    mark: str
    text: str

    @property
    def where(self) -> str:
        return f"{name(self.page)}:{self.line}"

    def commands(self) -> list[tuple[str, str]]:
        """Each command, with what the page shows as its output. In `console` commands begin with `$ `."""
        if self.language == "sh":
            return [(self.text, "")]
        found: list[tuple[list[str], list[str]]] = []
        open_until = None
        for line in self.text.split("\n"):
            if line.startswith("$ "):
                found.append(([line[2:]], []))
            elif found and (found[-1][0][-1].endswith("\\") or open_until) and not found[-1][1]:
                found[-1][0].append(line)
            elif found:
                found[-1][1].append(line)
            if found and not found[-1][1]:
                here = re.search(r"<<\s*'?(\w+)'?", line)
                if here:
                    open_until = here[1]
                elif line == open_until:
                    open_until = None
        return [("\n".join(command), "\n".join(output).rstrip("\n")) for command, output in found]


def blocks(page: pathlib.Path) -> list[Block]:
    found, lines, mark = [], page.read_text().split("\n"), ""
    index = 0
    while index < len(lines):
        opening = re.fullmatch(r"\s*```(\w*)", lines[index])
        if opening:
            start = index + 1
            index = next(i for i in range(start, len(lines)) if lines[i].strip() == "```")
            indent = len(lines[start - 1]) - len(lines[start - 1].lstrip())
            found.append(Block(page, start, opening[1], mark,
                               "\n".join(line[indent:] for line in lines[start:index])))
            mark = ""
        elif said := re.fullmatch(r"\s*<!-- (run.*) -->", lines[index]):
            mark = said[1]
        elif lines[index].strip():
            mark = ""
        index += 1
    return found


def prose(page: pathlib.Path) -> str:
    """The page without its fenced blocks."""
    return re.sub(r"(?ms)^\s*```.*?^\s*```$", "", page.read_text())
