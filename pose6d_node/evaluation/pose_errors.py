# SPDX-License-Identifier: Apache-2.0
"""Every error of an estimated pose of one true instance: ADD, ADD-S, VSD, MSSD and MSPD."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from perception_kit.datasets.files import DatasetError
from perception_kit.datasets.frame import TrueInstance
from perception_kit.datasets.object_model import ObjectModel
from perception_kit.datasets.symmetries import symmetry_transforms
from perception_kit.geometry import back_project
from perception_kit.metrics.bop import FRACTIONS, BopError, Pose, mspd, mssd, vsd
from perception_kit.metrics.pose import PoseError, add, adds
from perception_kit.types import Intrinsics
from pose6d_node.evaluation.depth_renderer import DepthRenderer

# of a continuous symmetry, as many as BOP's toolkit takes: points move by at most 1 % of the
# diameter from one to the next
SYMMETRY_STEPS = 315
POINTS = 1000


@dataclass(frozen=True)
class Judgement:
    """One true instance of a frame, of whose silhouette the share ``visible_fraction`` is seen, and
    what was estimated for it.

    ``reason`` says why there is no estimate. ``confidence`` is the estimate's own, 0 for a miss.
    """

    frame: int
    ground_truth: Pose
    visible_fraction: float
    estimate: Pose | None
    reason: str
    pose: PoseError
    bop: BopError
    confidence: float = 0.0


class JudgedModel:
    """What measuring the poses of one class needs.

    Raises DatasetError for a model without a mesh.
    """

    def __init__(self, model: ObjectModel) -> None:
        self.name = model.name
        self.diameter = model.diameter
        self.symmetric = model.symmetric
        self.symmetries = symmetry_transforms(model.symmetry, SYMMETRY_STEPS)
        self.points = model.points(POINTS)
        # The largest distance between two poses of a body occurs at a corner of its hull; MSPD, of
        # projections, at a point nearby.
        self.extremes = np.concatenate([model.hull, self.points])
        try:
            self.renderer = DepthRenderer(*model.mesh())
        except ValueError as error:
            raise DatasetError(f"class '{model.name}': {error}") from error


class JudgedInstance:
    """One true instance in its frame.

    ``measured`` (H, W) distances from the camera centre in metres, 0 unknown (``distances`` of the
    depth image). ``silhouette_pixels`` is what would be seen of the instance if nothing stood
    before it.
    """

    def __init__(
        self,
        model: JudgedModel,
        ground_truth: TrueInstance,
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

    def judge(
        self, frame: int, estimate: Pose | None, reason: str = "", confidence: float = 0.0
    ) -> Judgement:
        """Errors of an ``estimate``, which has a ``confidence``, or of a miss where there is none."""
        model, width = self.model, self._intrinsics.width
        described = model.name, model.diameter, model.symmetric
        if estimate is None:
            return Judgement(
                frame,
                self.ground_truth,
                self.visible_fraction,
                None,
                reason,
                PoseError(*described),
                BopError(model.name, width),
            )
        poses = *estimate, *self.ground_truth
        pose_error = PoseError(*described, add(model.points, *poses), adds(model.points, *poses))
        symmetric = model.extremes, estimate, self.ground_truth, model.symmetries
        bop_error = BopError(
            model.name,
            width,
            self._vsd(estimate),
            mssd(*symmetric) / model.diameter,
            mspd(*symmetric, self._intrinsics),
        )
        return Judgement(
            frame,
            self.ground_truth,
            self.visible_fraction,
            estimate,
            "",
            pose_error,
            bop_error,
            confidence,
        )

    def _vsd(self, estimate: Pose) -> np.ndarray:
        depth, _ = self.model.renderer.render(*estimate, self._intrinsics)
        return vsd(
            self._measured,
            distances(depth, self._intrinsics),
            self._rendered,
            FRACTIONS * self.model.diameter,
        )


def distances(depth: np.ndarray, intrinsics: Intrinsics) -> np.ndarray:
    """(H, W) distances from the camera centre of a (H, W) depth image; metres, 0 unknown."""
    return np.linalg.norm(back_project(depth, intrinsics), axis=2)
