# SPDX-License-Identifier: Apache-2.0
"""Trains an action model on labeled videos: ``python -m actionrec_node.train --help``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from actionrec_node.data.annotations import DataError
from actionrec_node.training_options import parse_arguments
from perception_kit.networks.model_metadata import ModelFileError
from perception_kit.processes import run_command


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; ends the program with a message for data and files that cannot be used."""
    options = parse_arguments(arguments)

    # What trains takes seconds to import, which help and wrong options need not wait for.
    from actionrec_node.trainer import run
    from perception_kit.training.run import exit_on

    with exit_on(DataError, ModelFileError, OSError):
        run(options)
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
