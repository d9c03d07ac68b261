# SPDX-License-Identifier: Apache-2.0
"""Trains the instance segmentation on a dataset: ``python -m pose6d_node.train_segmentation``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from perception_kit.datasets.files import DatasetError
from perception_kit.networks.model_metadata import ModelFileError
from perception_kit.processes import run_command
from pose6d_node.segmentation.training_options import parse_arguments


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; ends the program with a message for data and files that cannot be used."""
    options = parse_arguments(arguments)

    # What trains takes seconds to import, which help and wrong options need not wait for.
    from perception_kit.training.run import exit_on
    from pose6d_node.segmentation.trainer import run

    with exit_on(DatasetError, ModelFileError, OSError):
        run(options)
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
