# SPDX-License-Identifier: Apache-2.0
"""Measures estimated poses of ground-truth instances: ADD, ADD-S, VSD, MSSD and MSPD."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from perception_kit.datasets.depth_renderer import DepthRenderer
from perception_kit.datasets.files import DatasetError
from perception_kit.datasets.frame import GroundTruthInstance
from perception_kit.datasets.object_model import ObjectModel
from perception_kit.datasets.symmetries import symmetry_transforms
from perception_kit.evaluation.object_points import PointModel
from perception_kit.geometry import back_project
from perception_kit.metrics.bop import FRACTIONS, BopError, mspd, mssd, vsd
from perception_kit.metrics.pose import Pose, PoseError
from perception_kit.types import Intrinsics

# Of a continuous symmetry, as many as BOP's toolkit takes: points move by at most 1 % of the
# diameter from one to the next.
SYMMETRY_STEPS = 315


@dataclass(frozen=True)
class PoseMatch:
    """A ground-truth pose in frame ``frame`` and the estimate of it, None for a miss.

    ``visible_fraction`` is that of the instance. ``reason`` says why there is no estimate.
    ``confidence`` is the estimate's own, 0 for a miss.
    """

    frame: int
    ground_truth: Pose
    visible_fraction: float
    estimate: Pose | None
    reason: str
    pose: PoseError
    bop: BopError
    confidence: float = 0.0


class TargetModel:
    """A class whose poses are measured.

    Raises DatasetError for a model without a mesh.
    """

    def __init__(self, model: ObjectModel) -> None:
        self.name = model.name
        self.points = PointModel.of_object(model)
        self.symmetries = symmetry_transforms(model.symmetry, SYMMETRY_STEPS)
        # The largest distance between two poses of a body occurs at a corner of its hull; MSPD, of
        # projections, at a point nearby.
        self.extremes = np.concatenate([model.hull, self.points.points])
        try:
            self.renderer = DepthRenderer(*model.mesh())
        except ValueError as error:
            raise DatasetError(f"class '{model.name}': {error}") from error


class PoseTarget:
    """A ground-truth instance whose pose is to be estimated ("target" as in BOP).

    ``measured`` (H, W) distances from the camera center in metres, 0 unknown (``distances`` of the
    depth image). ``silhouette_pixels`` is what would be seen of the instance if nothing stood
    before it.
    """

    def __init__(
        self,
        model: TargetModel,
        ground_truth: GroundTruthInstance,
        measured: np.ndarray,
        intrinsics: Intrinsics,
    ) -> None:
        self.model = model
        self.ground_truth: Pose = ground_truth.rotation, ground_truth.translation
        self.visible_fraction = ground_truth.visible_fraction
        self._measured = measured
        self._intrinsics = intrinsics
        depth, self.silhouette_pixels = model.renderer.render(*self.ground_truth, intrinsics)
        self._rendered = distances(depth, intrinsics)

    def match(
        self, frame: int, estimate: Pose | None, reason: str = "", confidence: float = 0.0
    ) -> PoseMatch:
        """Errors of an ``estimate``, which has a ``confidence``, or of a miss without one."""
        return PoseMatch(
            frame,
            self.ground_truth,
            self.visible_fraction,
            estimate,
            reason if estimate is None else "",
            self.model.points.pose_error(self.model.name, self.ground_truth, estimate),
            self._bop_error(estimate),
            confidence if estimate is not None else 0.0,
        )

    def _bop_error(self, estimate: Pose | None) -> BopError:
        name, width = self.model.name, self._intrinsics.width
        if estimate is None:
            return BopError(name, width)

        poses = self.model.extremes, estimate, self.ground_truth, self.model.symmetries
        return BopError(
            name,
            width,
            self._vsd(estimate),
            mssd(*poses) / self.model.points.diameter,
            mspd(*poses, self._intrinsics),
        )

    def _vsd(self, estimate: Pose) -> np.ndarray:
        depth, _ = self.model.renderer.render(*estimate, self._intrinsics)
        return vsd(
            self._measured,
            distances(depth, self._intrinsics),
            self._rendered,
            FRACTIONS * self.model.points.diameter,
        )


def distances(depth: np.ndarray, intrinsics: Intrinsics) -> np.ndarray:
    """(H, W) distances from the camera center of a (H, W) depth image; metres, 0 unknown."""
    return np.linalg.norm(back_project(depth, intrinsics), axis=2)
