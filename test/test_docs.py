# SPDX-License-Identifier: Apache-2.0
"""The README stays short, and the documentation names what there is."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from python_imports import ROOT

from perception_kit import cli

PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])


def names(commands: cli.Entries, prefix: str = "") -> Iterator[str]:
    for name, entry in commands.items():
        yield f"{prefix}{name}"
        if not isinstance(entry, cli.Entry):
            yield from names(entry, f"{prefix}{name} ")


def test_the_readme_is_a_screen_and_a_half() -> None:
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) <= 150
    assert len(text) <= 9000


def anchors(page: Path) -> set[str]:
    """Names of a page's headings, where the site and a forge that shows the file agree on them."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    headings = [
        re.sub(r"[^\w\s-]", "", re.sub(r"\]\([^)]*\)", "", line).lower()).strip()
        for line in re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    ]
    return {name for line in headings if "--" not in (name := re.sub(r"\s", "-", line))}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    missing = []
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        if "://" in link:
            continue
        if not target.exists() or (
            anchor and target.suffix == ".md" and anchor not in anchors(target)
        ):
            missing.append(link)
    assert not missing
    assert f"]({page.name})" not in text  # a page that refers to itself means one of its headings


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_commands_of_the_documentation_exist(page: Path) -> None:
    known = set(names(cli.COMMANDS)) | {"COMMAND", "…"}
    code = re.findall(r"```bash\n(.*?)```|`([^`\n]+)`", page.read_text(), flags=re.DOTALL)
    used = {
        " ".join(found.split()[:2])
        for block in code
        for line in "\n".join(block).splitlines()
        for found in re.findall(r"(?:^|\./run )perception ([a-z…A-Z][\w-]*(?: [a-z]+)?)", line)
    }
    assert not {name for name in used if name not in known and name.split()[0] not in known}
    groups = {name for name, entry in cli.COMMANDS.items() if not isinstance(entry, cli.Entry)}
    assert not {name for name in used if name.split()[0] in groups and name not in known}


@pytest.mark.slow
def test_the_python_lines_of_the_readme_compile() -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    assert len(blocks) == 3
    for block in blocks:
        compile(block, "README.md", "exec")
        imports = "\n".join(line for line in block.splitlines() if re.match("from|import", line))
        subprocess.run([sys.executable, "-c", imports], check=True)


@pytest.mark.skipif(find_spec("mkdocs") is None, reason="mkdocs is not installed: make setup")
def test_the_site_builds_strictly_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "-q", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True)
    loaded = re.compile(r'<(?:script|img|link rel="stylesheet")[^>]*(?:src|href)="https?://')
    assert not [page for page in tmp_path.rglob("*.html") if loaded.search(page.read_text())]
