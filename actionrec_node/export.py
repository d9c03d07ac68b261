# SPDX-License-Identifier: Apache-2.0
"""Writes the network of an action model as an ONNX file, checked against PyTorch."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from perception_kit.networks.export_arguments import parse_export_arguments
from perception_kit.processes import run_command


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Command line."""
    return parse_export_arguments("actionrec_node.export", __doc__, arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    args = parse_arguments(arguments)

    # PyTorch takes seconds to import, which help and wrong options need not wait for.
    from actionrec_node.networks.onnx_parts import action_parts
    from perception_kit.networks.export_command import run_export

    return run_export(args, {"action": action_parts})


if __name__ == "__main__":
    sys.exit(run_command(main))
