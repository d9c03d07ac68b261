# SPDX-License-Identifier: Apache-2.0
"""Pieces of a page, and putting a page together so that it needs no other file."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping, Sequence
from functools import cache
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from perception_kit.evaluation.scores import Score
from perception_kit.report.style import name_color


def assemble_page(
    title: str, body: str, data: Mapping[str, Any], figures: Mapping[str, go.Figure]
) -> str:
    """The whole page; ``figures`` are drawn into the elements with these ids, ``data`` is what the
    page's script works on.
    """
    drawn = {name: json.loads(figure.to_json()) for name, figure in figures.items()}
    content = json.dumps({**data, "figures": drawn}, separators=(",", ":")).replace("</", "<\\/")
    source = files("perception_kit.report")
    parts = {name: source.joinpath(f"page.{name}").read_text() for name in ("html", "css", "js")}
    return Template(parts["html"]).substitute(
        title=escape(title),
        style=parts["css"],
        script=parts["js"],
        body=body,
        data=content,
        plotly=_packed_plotly(),
    )


@cache
def _packed_plotly() -> str:
    """Plotly's JavaScript, compressed to a third: browsers unpack it by themselves."""
    return base64.b64encode(gzip.compress(get_plotlyjs().encode(), mtime=0)).decode()


def panel(title: str, content: str) -> str:
    """A titled box."""
    return f'<section class="panel"><h2>{escape(title)}</h2>{content}</section>'


def plot(identity: str) -> str:
    """Where a figure is drawn."""
    return f'<div id="{identity}"></div>'


def score_groups(scores: Sequence[Score]) -> str:
    """Large figures, grouped by part; parts without any known figure are left out."""
    groups = []
    for part in dict.fromkeys(score.part for score in scores):
        known = [score for score in scores if score.part == part and score.value is not None]
        cards = "".join(
            f'<div class="card"><b>{escape(score.text)}</b><span>{escape(score.name)}</span></div>'
            for score in known
        )
        if known:
            groups.append(
                f'<div class="group"><h2>{escape(part)}</h2><div class="cards">{cards}</div></div>'
            )
    return f'<div class="groups">{"".join(groups)}</div>'


def class_table(rows: Mapping[str, Sequence[Score]]) -> str:
    """A row for each class, with its colour."""
    names = [score.name for score in next(iter(rows.values()))]
    body = [
        [class_cell(name), *(escape(score.text) for score in scores)]
        for name, scores in rows.items()
    ]
    return table(["class", *map(escape, names)], body)


def class_cell(name: str) -> str:
    """A class name behind a spot of its colour."""
    return f'<span class="dot" style="background:{name_color(name)}"></span>{escape(name)}'


def table(header: Sequence[str], rows: Sequence[Sequence[str]], text_columns: int = 1) -> str:
    """A table of cells that are HTML already; the first ``text_columns`` hold text, the others
    numbers.
    """

    def cells(kind: str, row: Sequence[str]) -> str:
        return "".join(
            f"<{kind}{' class=text' if k < text_columns else ''}>{cell}</{kind}>"
            for k, cell in enumerate(row)
        )

    head = cells("th", header)
    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return (
        "<div"
        f' class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def notes(texts: Sequence[str]) -> str:
    """Remarks that must not be overlooked."""
    return "".join(f'<div class="note">{escape(text)}</div>' for text in texts)
