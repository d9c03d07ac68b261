# SPDX-License-Identifier: Apache-2.0
"""Writes the networks of a segmentation or pose model as ONNX files, checked against PyTorch.

Of the segmentation they are the convolutions: backbone with its pyramid, region proposal head, box
head and mask head. Anchors, suppression and RoIAlign between them are code, as in every fast
implementation. Of DenseFusion they are the estimator's votes and the refiner, and what estimates
sizes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from perception_kit.networks.export_arguments import parse_export_arguments
from perception_kit.processes import run_command


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Command line."""
    return parse_export_arguments("pose6d_node.export", __doc__, arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    args = parse_arguments(arguments)

    # PyTorch takes seconds to import, which help and wrong options need not wait for.
    from perception_kit.networks.export_command import run_export
    from pose6d_node.onnx_parts import pose_parts, segmentation_parts

    kinds = {"segmentation": segmentation_parts, "pose": pose_parts}
    return run_export(args, kinds)


if __name__ == "__main__":
    sys.exit(run_command(main))
