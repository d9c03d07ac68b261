# SPDX-License-Identifier: Apache-2.0
"""Search by a picture of a thing."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from video_search.pictures import read_picture
from video_search.query import Query

if TYPE_CHECKING:
    from video_search.describer import Describer


def image_query(picture: np.ndarray | str | Path, query: Query | None = None) -> Query:
    """``query`` with what looks like a picture: a file, or (H, W, 3) uint8 RGB pixels.

    The picture should show the thing alone, as a crop. Raises PictureError for what is no picture.
    """
    rgb = picture if isinstance(picture, np.ndarray) else read_picture(picture)
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8 or 0 in rgb.shape:
        raise ValueError(f"a picture is (H, W, 3) uint8 RGB, got {rgb.shape} {rgb.dtype}")
    # Here because importing PyTorch takes seconds, and searches by word do without.
    from video_search.describer import SPACE

    return replace(query or Query(), descriptor=_describer()([rgb])[0], space=SPACE)


@cache
def _describer() -> Describer:
    """The network, which takes a second to load, for all pictures."""
    from video_search.describer import Describer

    return Describer()
