# SPDX-License-Identifier: Apache-2.0
"""The command lines of the documentation, as they stand there."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from perception_kit import cli

_BLOCK = re.compile(r"^```bash\n(.*?)^```", re.DOTALL | re.MULTILINE)
_INLINE = re.compile(r"`([^`\n]+)`")
_OPTION = re.compile(r"--[a-z][\w-]*")
_VARIABLE = re.compile(r"^([A-Z]+)=(.*)$")
_ENDS = {"&&", "||", "|", ";", "&", ">"}
# Shown to be filled in
_PLACEHOLDERS = re.compile(r"…|\$|\.\.\.|^COMMAND$")


@dataclass(frozen=True)
class DocumentedCommand:
    """A command of this project: its module and arguments, and the line that it was read from.

    ``complete`` where it stands in a code block and nothing of it is left to fill in.
    """

    module: str
    arguments: tuple[str, ...]
    line: str
    complete: bool

    @property
    def options(self) -> set[str]:
        """Names of its options."""
        names = {word.partition("=")[0] for word in self.arguments}
        return {name for name in names if _OPTION.fullmatch(name)}


def commands_of(page: Path) -> list[DocumentedCommand]:
    """The commands in the code blocks of a page, in their order, then those in its text."""
    text = page.read_text(encoding="utf-8")
    blocks = [line for block in _BLOCK.findall(text) for line in _lines(block)]
    inline = _INLINE.findall(re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    return [
        *(command for line in blocks for command in _commands(line, in_block=True)),
        *(command for line in inline for command in _commands(line, in_block=False)),
    ]


def _lines(block: str) -> Iterator[str]:
    """Logical lines of a block, with what it has put into variables."""
    variables: dict[str, str] = {}
    for line in block.replace("\\\n", " ").splitlines():
        if found := _VARIABLE.match(line):
            variables[found[1]] = found[2].strip('"')
            continue
        for name, value in variables.items():
            line = line.replace(f"${name}", value)
        yield line


def _commands(line: str, in_block: bool) -> Iterator[DocumentedCommand]:
    """The commands of this project in a line of a shell."""
    shell = shlex.shlex(line, posix=True, punctuation_chars="&|;>")
    shell.whitespace_split, shell.commenters = True, "#"
    try:
        words = list(shell)
    except ValueError:  # a quotation mark of the text
        return

    parts: list[list[str]] = [[]]
    for word in words:
        if word in _ENDS:
            parts.append([])
        else:
            parts[-1].append(word)
    for part in parts:
        if (found := _module(part[1:] if part[:1] == ["./run"] else part)) is not None:
            module, arguments = found
            complete = in_block and not any(map(_PLACEHOLDERS.search, arguments))
            yield DocumentedCommand(module, tuple(arguments), line, complete)


def _module(words: list[str]) -> tuple[str, list[str]] | None:
    """Module and arguments of ``perception COMMAND …`` or ``python -m MODULE …``."""
    if words[:2] == ["python", "-m"] and len(words) > 2:
        return words[2], words[3:]
    if words[:1] != ["perception"]:
        return None
    entries: cli.Entries = cli.COMMANDS
    for number, word in enumerate(words[1:], 2):
        entry = entries.get(word)
        if isinstance(entry, cli.Entry):
            return entry.module.removesuffix(".__main__"), words[number:]
        if entry is None:
            return None  # not a command line: test_docs.py looks at the names
        entries = entry
    return None
