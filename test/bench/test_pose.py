# SPDX-License-Identifier: Apache-2.0
"""The benchmark compares two ways to the same poses."""

from __future__ import annotations

import torch

from bench.pose import published_estimate, random_frame, random_model
from bench.timing import relative_difference
from pose6d_node.densefusion.inference import estimate


@torch.inference_mode()
def test_the_published_procedure_gives_the_same_poses() -> None:
    torch.manual_seed(0)
    model, frame = random_model(), random_frame(2)
    expected = published_estimate(model.estimator, model.refiner, frame, refine_iterations=1)
    actual = estimate(model, frame, refine_iterations=1)
    assert relative_difference(actual[0], expected[0]) < 1e-5
    assert relative_difference(actual[1], expected[1]) < 1e-5
