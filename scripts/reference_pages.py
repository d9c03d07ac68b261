# SPDX-License-Identifier: Apache-2.0
"""Writes the pages of docs/reference on commands, parameters and messages, from what defines them.

``./run python scripts/reference_pages.py``; a test compares the pages with their sources.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from perception_kit.cli import COMMANDS, Entries, Entry

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "reference"
NODES = ("pose6d_node", "tracker_node", "actionrec_node", "fusion_node", "video_search_node")


def reference_pages() -> dict[Path, str]:
    """The pages as Markdown, by the file that each is written to."""
    pages = {
        "commands.md": ("perception_kit/cli.py", commands_page()),
        "parameters.md": ("config/", parameters_page()),
        "messages.md": ("msg/ and srv/", messages_page()),
    }
    return {
        FOLDER / name: f"<!-- Made by `./run python scripts/reference_pages.py` from {source}:"
        f" change that. -->\n{text}"
        for name, (source, text) in pages.items()
    }


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


if __name__ == "__main__":
    for page, text in reference_pages().items():
        page.write_text(text, encoding="utf-8")
