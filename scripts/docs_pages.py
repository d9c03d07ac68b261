# SPDX-License-Identifier: Apache-2.0
"""Hooks of MkDocs: pages that are made from other files of the repository, and links to those."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

from perception_kit.cli import COMMANDS, Entries, Entry

ROOT = Path(__file__).parents[1]
NODES = ("pose6d_node", "tracker_node", "actionrec_node", "fusion_node", "video_search_node")

# Pages that are files elsewhere in the repository.
PAGES = {
    "models/demo/README.md": "models_demo.md",
    "models/ycbv/README.md": "models_ycbv.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.rst": "changelog.md",
}
# Links to what is no page: the page that shows it.
SHOWN = (
    (r"\.\./msg/(\w+)\.msg", lambda found: f"reference/messages.md#{found[1].lower()}"),
    (r"\.\./config/(\w+_node)\.yaml", lambda found: f"reference/parameters.md#{found[1]}"),
)


def on_files(files: Files, config: Any) -> Files:
    """Add the generated pages."""
    generated = {
        "reference/commands.md": commands_page(),
        "reference/parameters.md": parameters_page(),
        "reference/messages.md": messages_page(),
    }
    for source, page in PAGES.items():
        generated[page] = page_of(source, (ROOT / source).read_text(encoding="utf-8"))
    for path, content in generated.items():
        files.append(File.generated(config, path, content=content))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Lead links to files outside ``docs/`` to the pages that show them."""
    for source, page in PAGES.items():
        markdown = markdown.replace(f"](../{source}", f"]({page}")
    for pattern, page_of_file in SHOWN:
        markdown = re.sub(rf"(?<=\]\(){pattern}", page_of_file, markdown)
    # Other files are named as they are called in the repository.
    return re.sub(r"\[([^\]]+)\]\(\.\./[^)]*\)", r"`\1`", markdown)


def page_of(source: str, text: str) -> str:
    """A file of the repository as a page: its links are those of its folder."""
    if source.endswith(".rst"):
        text = re.sub(r"^\^+\n(.*)\n\^+$", r"# \1", text, count=1, flags=re.MULTILINE)
        text = re.sub(r"^(.+)\n-+$", r"## \1", text, flags=re.MULTILINE)
        text = re.sub(r"^( +)", r"\1\1", text, flags=re.MULTILINE)  # as Markdown nests lists
        return text.replace("``", "`")
    text = text.replace("](../../docs/", "](").replace("](docs/", "](")
    return re.sub(r"\]\(\.\./(\w+)/README\.md", r"](models_\1.md", text)


def commands_page() -> str:
    """A table of all commands."""
    rows = [
        f"| `perception {name}` | {entry.summary} | `python -m {entry.module}` |".replace(
            ".__main__`", "`"
        )
        for name, entry in _entries(COMMANDS)
    ]
    head = "# Commands\n\n`perception COMMAND --help` lists the options of a command.\n\n"
    return head + "\n".join(["| command | | module |", "| --- | --- | --- |", *rows]) + "\n"


def _entries(commands: Entries, prefix: str = "") -> Iterator[tuple[str, Entry]]:
    for name, entry in commands.items():
        if isinstance(entry, Entry):
            yield f"{prefix}{name}", entry
        else:
            yield from _entries(entry, f"{prefix}{name} ")


def parameters_page() -> str:
    """Parameters of all nodes, from the comments of ``config/``."""
    parts = ["# Parameters\n\nAs in `config/`, with the values of the launch files.\n"]
    for node in NODES:
        parts.append(f"## {node}\n\n| parameter | value | |\n| --- | --- | --- |")
        parts += [f"| `{name}` | `{value}` | {text} |" for name, value, text in _parameters(node)]
        parts.append("")
    return "\n".join(parts)


def _parameters(node: str) -> Iterator[tuple[str, str, str]]:
    comment: list[str] = []
    for line in (ROOT / "config" / f"{node}.yaml").read_text(encoding="utf-8").splitlines():
        if line.lstrip().startswith("#"):
            comment.append(line.strip(" #"))
        elif found := re.fullmatch(r"    (\w+): (.*)", line):
            yield found[1], found[2], " ".join(comment).replace("|", "\\|")
            comment = []
        else:
            comment = []


def messages_page() -> str:
    """All messages and services, with the comments of their fields."""
    parts = ["# Messages\n"]
    for path in sorted([*(ROOT / "msg").glob("*.msg"), *(ROOT / "srv").glob("*.srv")]):
        lines = path.read_text(encoding="utf-8").splitlines()
        head = [line.strip("# ") for line in lines if line.startswith("#") and "SPDX" not in line]
        fields = [line for line in lines if line.strip() and not line.startswith("#")]
        parts += [f"## {path.stem}\n", " ".join(head) + "\n", "| field | | |\n| --- | --- | --- |"]
        for field in fields:
            if field == "---":  # of a service: what follows is its answer
                parts.append("| **answer** | | |")
                continue
            code, _, comment = field.partition("#")
            kind, name = code.split(None, 1)
            parts.append(f"| `{name.strip()}` | `{kind}` | {comment.strip()} |".replace("||", "|"))
        parts.append("")
    return "\n".join(parts)
