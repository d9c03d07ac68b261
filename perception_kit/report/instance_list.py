# SPDX-License-Identifier: Apache-2.0
"""The list of all ground-truth objects, which the page's script draws and sorts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from perception_kit.evaluation.frame_records import ObjectRecord
from perception_kit.report.html import panel

TITLE = "All objects: click a heading to sort"
SORTED_BY = "ADD(-S), diameters"
ERROR_COLUMNS = ("ADD(-S), mm", SORTED_BY, "rotation, °", "translation, mm")
COLUMNS = ("frame", "class", "found", "mask IoU", *ERROR_COLUMNS)


def instance_panel() -> str:
    """Where the list is drawn."""
    return panel(TITLE, '<div class="scroll" id="instances"></div><button id="all"></button>')


def instance_data(
    columns: Sequence[str],
    rows: Sequence[Sequence[str | float | None]],
    frames: Sequence[int] | None = None,
) -> dict[str, Any]:
    """For the page's script: ``rows`` of the ``columns``, one of which is ``SORTED_BY``.

    ``frames`` are the indices of those to show when a row is clicked. What is None is not known,
    and comes last in any order.
    """
    return {"columns": columns, "rows": rows, "frames": frames, "sorted_by": SORTED_BY}


def record_row(frame: str, record: ObjectRecord) -> list[str | float | None]:
    """The row of an object in a frame of this name, for ``COLUMNS``."""
    return [
        frame,
        record.class_name,
        "yes" if record.found else "no",
        round(record.iou, 3),
        *error_cells(record),
    ]


def error_cells(record: ObjectRecord) -> list[float | None]:
    """The values for ``ERROR_COLUMNS``."""
    return [
        _rounded(record.error, 1e3, 1),
        _rounded(record.error_in_diameters, 1.0, 3),
        _rounded(record.rotation, 1.0, 1),
        _rounded(record.translation, 1e3, 1),
    ]


def _rounded(value: float | None, factor: float, digits: int) -> float | None:
    return None if value is None else round(factor * value, digits)
