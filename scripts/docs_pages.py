# SPDX-License-Identifier: Apache-2.0
"""Hooks of MkDocs: pages that are files elsewhere in the repository, and links to those."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]

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
    """Add the pages that are files elsewhere."""
    for source, page in PAGES.items():
        content = page_of(source, (ROOT / source).read_text(encoding="utf-8"))
        files.append(File.generated(config, page, content=content))
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
