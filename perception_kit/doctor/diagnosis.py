# SPDX-License-Identifier: Apache-2.0
"""Runs all checks, in the order in which faults are best repaired."""

from __future__ import annotations

from perception_kit.doctor.camera_checks import (
    check_depth_scale,
    check_depth_values,
    check_images,
    check_intrinsics,
    check_topics,
    check_warnings,
)
from perception_kit.doctor.model_checks import check_models
from perception_kit.doctor.observation import Finding, Observation
from perception_kit.doctor.timing_checks import (
    check_gaps,
    check_late_depth,
    check_rate,
    check_stamps,
)
from perception_kit.doctor.transport_checks import (
    check_links,
    check_reports,
    check_ros,
    check_shared_memory,
    check_transport,
)

CHECKS = (
    check_ros,
    check_topics,
    check_links,
    check_transport,
    check_shared_memory,
    check_images,
    check_depth_values,
    check_intrinsics,
    check_depth_scale,
    check_warnings,
    check_stamps,
    check_gaps,
    check_late_depth,
    check_rate,
    check_models,
    check_reports,
)


def diagnose(seen: Observation) -> list[Finding]:
    """Everything that would go wrong; the same fault of the same topic once."""
    return list(dict.fromkeys(finding for check in CHECKS for finding in check(seen)))
