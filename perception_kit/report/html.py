# SPDX-License-Identifier: Apache-2.0
"""Elements of a page, and the page itself, which needs no other file."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping, Sequence
from functools import cache
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

import plotly.graph_objects as go
import yaml
from plotly.offline import get_plotlyjs

from perception_kit.evaluation.scores import Score
from perception_kit.report.style import name_color


def assemble_page(
    title: str, body: str, data: Mapping[str, Any], figures: Mapping[str, go.Figure]
) -> str:
    """The whole page as HTML.

    ``figures`` are drawn into the elements with these ids, ``data`` is for the page's script.
    """
    drawn = {name: json.loads(figure.to_json()) for name, figure in figures.items()}
    content = json.dumps({**data, "figures": drawn}, separators=(",", ":"))

    folder = files("perception_kit.report")
    page, style, script = (
        folder.joinpath(f"page.{ending}").read_text() for ending in ("html", "css", "js")
    )
    return Template(page).substitute(
        title=escape(title),
        style=style,
        script=script,
        body=body,
        # No tag, and no "<!--<script>" either, after which nothing would end the script.
        data=content.replace("<", r"\u003c"),
        plotly=_packed_plotly(),
    )


@cache
def _packed_plotly() -> str:
    """Plotly's JavaScript, compressed to a third: browsers unpack it by themselves."""
    return base64.b64encode(gzip.compress(get_plotlyjs().encode(), mtime=0)).decode()


def page_header(title: str, about: Sequence[str], verdict: str = "") -> str:
    """The top of a page: lines of HTML that say what it is ``about``, and a verdict in words."""
    lines = "<br>".join(filter(None, about))
    return (
        f"<h1>{escape(title)}</h1>"
        f'<p class="about">{lines}</p><p class="verdict">{escape(verdict)}</p>'
    )


def file_links(folder: Path, files: Mapping[str, str]) -> str:
    """Links to those of the ``files`` (texts by name) that lie beside the page in ``folder``."""
    return " · ".join(
        f'<a href="{name}">{escape(text)}</a>'
        for name, text in files.items()
        if (folder / name).is_file()
    )


def chart_panels(charts: Mapping[str, go.Figure]) -> tuple[str, dict[str, go.Figure]]:
    """Panels for figures by title, and the figures by the ids of their places in these."""
    figures = {f"chart{k}": figure for k, figure in enumerate(charts.values())}
    panels = "".join(panel(title, plot(name)) for title, name in zip(charts, figures, strict=True))
    return f'<div class="charts">{panels}</div><br>', figures


def configuration_panel(sections: Mapping[str, Any]) -> str:
    """The parts of a configuration as YAML, to unfold."""
    parts = []
    for name, content in sections.items():
        text = escape(yaml.safe_dump(content, sort_keys=False))
        parts.append(f"<details><summary>{escape(name)}</summary><pre>{text}</pre></details>")
    return panel("What it ran with", "".join(parts))


def panel(title: str, content: str) -> str:
    """A titled box."""
    return f'<section class="panel"><h2>{escape(title)}</h2>{content}</section>'


def plot(identity: str) -> str:
    """Where a figure is drawn."""
    return f'<div id="{identity}"></div>'


def score_groups(scores: Sequence[Score]) -> str:
    """Large figures, grouped by part; what is not known is left out."""
    cards: dict[str, str] = {}
    for score in scores:
        if score.value is not None:
            text, name = escape(score.text), escape(score.name)
            card = f'<div class="card"><b>{text}</b><span>{name}</span></div>'
            cards[score.part] = cards.get(score.part, "") + card

    groups = "".join(
        f'<div class="group"><h2>{escape(title)}</h2><div class="cards">{content}</div></div>'
        for title, content in cards.items()
    )
    return f'<div class="groups">{groups}</div>'


def class_table(rows: Mapping[str, Sequence[Score]]) -> str:
    """A row for each class, with its color."""
    names = [score.name for score in next(iter(rows.values()))]
    body = [
        [class_cell(name), *(escape(score.text) for score in scores)]
        for name, scores in rows.items()
    ]
    return table(["class", *map(escape, names)], body)


def class_cell(name: str) -> str:
    """A class name behind a dot of its color."""
    return f'<span class="dot" style="background:{name_color(name)}"></span>{escape(name)}'


def table(header: Sequence[str], rows: Sequence[Sequence[str]], text_columns: int = 1) -> str:
    """A table of cells that are HTML already; the first ``text_columns`` hold no numbers."""

    def cells(kind: str, row: Sequence[str]) -> str:
        return "".join(
            f"<{kind}{' class=text' if k < text_columns else ''}>{cell}</{kind}>"
            for k, cell in enumerate(row)
        )

    head = cells("th", header)
    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return (
        '<div class="scroll"><table>'
        f"<thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody>"
        "</table></div>"
    )


def notes(texts: Sequence[str]) -> str:
    """Remarks that must not be overlooked."""
    return "".join(f'<div class="note">{escape(text)}</div>' for text in texts)
