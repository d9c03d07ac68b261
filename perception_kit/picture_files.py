# SPDX-License-Identifier: Apache-2.0
"""Pictures as OpenCV decodes them, from their bytes.

Given a name, OpenCV ends the process where that is not UTF-8, and takes half a JPEG file, but not
half of its bytes, for a whole picture.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from perception_kit.budgets import check_picture


def decoded(data: bytes, flags: int = cv2.IMREAD_COLOR) -> np.ndarray | None:
    """Pixels of the bytes of a picture, BGR where they have color; None for what is no whole one.

    ``flags`` are those of ``cv2.imread``.
    """
    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:  # nothing, or a header that names a picture of terabytes
        return None


def read_pixels(path: Path, flags: int = cv2.IMREAD_COLOR) -> np.ndarray | None:
    """``decoded`` of a file. Raises BudgetError for too large a picture, OSError without a file."""
    check_picture(path)
    return decoded(path.read_bytes(), flags)
