# SPDX-License-Identifier: Apache-2.0
"""The modules of this repository and what they import, read from their sources."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import accumulate
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("perception_kit", "pose6d_node", "tracker_node", "actionrec_node", "video_search")


@cache
def sources(*folders: str) -> dict[str, Path]:
    """The Python files below ``folders`` of the repository by module name."""
    modules = {}
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            modules[name.removesuffix(".__init__")] = path
    return modules


def imported(path: Path) -> Iterator[str]:
    """Full names that a file imports, also for type checkers alone. Ruff bans relative ones."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
            yield node.module


def imported_at_once(path: Path) -> Iterator[str]:
    """Full names that running a file imports: not those in functions or for type checkers."""
    waiting: list[ast.AST] = [*ast.parse(path.read_text()).body]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
            yield node.module
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            waiting += node.orelse
        elif not isinstance(node, ast.FunctionDef | ast.Lambda):
            waiting += ast.iter_child_nodes(node)


def libraries_of(roots: Iterable[str]) -> dict[str, str]:
    """Top-level modules that are not of this repository and come with its modules ``roots``.

    Each with the module that imports it.
    """
    modules = sources(*PACKAGES)
    found: dict[str, str] = {}
    seen: set[str] = set()
    waiting = [*roots]
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        for target in imported_at_once(modules[name]):
            first, *others = target.split(".")
            if first in PACKAGES:
                names = accumulate([first, *others], "{}.{}".format)
                waiting += [module for module in names if module in modules]
            else:
                found.setdefault(first, name)
    return found


def loaded_by(statement: str, python: str) -> set[str]:
    """Top-level modules that a fresh interpreter has loaded after ``statement``."""
    code = f"{statement}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())
