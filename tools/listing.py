"""The list of source files in docs/files.md, made from the first sentences of their docstrings.

python tools/listing.py          # write it
python tools/listing.py --check  # exit code 1 where it is out of date
"""

import ast
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "files.md"
BEGIN, END = "```text\n", "```\n"
# From the bottom up, as imports go; what is not named here comes after, by name.
ORDER = (
    "config",
    "image",
    "data",
    "nn",
    "metrics",
    "training",
    "tasks",
    "zoo",
    "export",
    "cluster",
    "studio",
    "cli",
)
COLUMN = 26
OTHERS = {
    "examples": "Programs over the public functions; tests/test_examples.py runs them",
    "tests": "Mirrors src; tests/contracts/ holds what every loss and network must satisfy",
    "docs": "The site that `make docs` builds; its commands and quoted code are tested",
}


def main(arguments: Sequence[str] = ()) -> None:
    """Write the list, or complain."""
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    new = before + BEGIN + "".join(f"{line}\n" for line in lines()) + END + after
    if "--check" not in arguments:
        PAGE.write_text(new, encoding="utf-8")
    elif new != text:
        sys.exit("docs/files.md does not list the files that there are: run `make fmt`")


def lines() -> Iterator[str]:
    """One line for each folder and file."""
    yield "src/impasto/"
    yield from of_folder(ROOT / "src" / "impasto", 1)
    for name in ("benchmarks", "tools"):
        yield f"{name}/"
        yield from of_folder(ROOT / name, 1)
    for name, words in OTHERS.items():
        yield f"{name + '/':{COLUMN}} {words}"


def of_folder(folder: Path, depth: int) -> Iterator[str]:
    """The files of a folder, then its folders."""
    indent = "  " * depth
    for path in sorted(folder.glob("*.py")):
        if path.name != "__init__.py":
            yield f"{indent + path.name:{COLUMN}} {summary(path)}".rstrip()
    inner = [path for path in folder.iterdir() if (path / "__init__.py").is_file()]
    for path in sorted(inner, key=lambda path: (place(path.name), path.name)):
        yield f"{indent + path.name + '/':{COLUMN}} {summary(path / '__init__.py')}".rstrip()
        yield from of_folder(path, depth + 1)


def place(name: str) -> int:
    """Where a folder stands among the others."""
    return ORDER.index(name) if name in ORDER else len(ORDER)


def summary(path: Path) -> str:
    """The first line of a module's docstring."""
    doc = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return doc.split("\n")[0].removesuffix(".")


if __name__ == "__main__":
    main(sys.argv[1:])
