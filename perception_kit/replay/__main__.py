# SPDX-License-Identifier: Apache-2.0
"""Plays a recorded RGB-D bag through the three nodes, records their results and scores them.

The nodes run as processes of their own, in a ROS domain of their own. Each frame is published when
the results of the previous one are in, so the scores do not depend on the machine's speed. Of
several bags, each has a folder in OUT, beside a summary of all; --truth and --actions are then
folders with an entry for each bag, named as the bag is.

Exit code: 0; 2 for input that cannot be used; 3 if a node was gone at the end, or one of the
results came for no frame; of several bags, the largest.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from perception_kit.arguments import (
    CommandParser,
    add_camera_options,
    bounded_int,
    model_path,
    positive_float,
    program_name,
)
from perception_kit.bags.bag import BagError
from perception_kit.bags.recording import RECORDINGS_HELP
from perception_kit.datasets.files import DatasetError
from perception_kit.datasets.mesh_units import add_mesh_unit
from perception_kit.evaluation.ground_truth import GroundTruthError
from perception_kit.evaluation.run_folder import OutputError
from perception_kit.networks.model_metadata import ModelFileError
from perception_kit.processes import handling_signals, run_command
from perception_kit.replay.settings import ReplaySettings
from perception_kit.resources import DeviceError, package_folder

EXIT_BAD_INPUT, EXIT_NO_RESULTS, EXIT_INTERRUPTED = 2, 3, 130
_INPUT_ERRORS = (
    BagError,
    GroundTruthError,
    DatasetError,
    ModelFileError,
    DeviceError,
    OutputError,
)


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Options of the command line."""
    parser = CommandParser(
        prog=program_name("perception_kit.replay"),
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("bags", type=Path, nargs="+", metavar="bag", help=RECORDINGS_HELP)
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        help="folder for the results; those of an earlier replay in it are replaced",
    )

    # Several bags.
    parser.add_argument(
        "--workers",
        type=bounded_int(1),
        default=1,
        help="of several bags, how many are played at a time (default: 1)",
    )
    parser.add_argument(
        "--scheduler",
        help="address of a Dask scheduler whose workers play the bags, such as tcp://host:8786",
    )

    # Ground truth.
    parser.add_argument(
        "--truth",
        type=Path,
        help="BOP, LineMOD or YCB-Video folder to compare with"
        " (default: the bag's /ground_truth topics)",
    )
    parser.add_argument(
        "--actions",
        type=Path,
        help="CSV of the true actions: start, end, label; seconds since the first image",
    )

    # Models.
    demo = package_folder() / "models" / "demo"
    parser.add_argument(
        "--models",
        type=Path,
        help="folder of the objects' models for pose errors"
        " (default: BAG/models, else the pose model's own points)",
    )
    add_mesh_unit(parser.add_argument)
    for kind in ("segmentation", "pose", "action"):
        parser.add_argument(
            f"--{kind}-model",
            type=model_path,
            default=demo / f"{kind}.safetensors",
            help="model file (default: the demo's, which knows only what is rendered)",
        )
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:N or auto (default)")

    # Several cameras of one bag.
    parser.add_argument(
        "--cameras",
        nargs="+",
        metavar="NAME",
        help="namespaces of the topics of several cameras: each is replayed into OUT/NAME, and"
        " their tracks are fused by the bag's TF",
    )
    parser.add_argument(
        "--fixed-frame",
        default="odom",
        help="TF frame in which several cameras are compared (default: %(default)s)",
    )
    parser.add_argument(
        "--camera-namespace",
        default="",
        metavar="NAME",
        help="namespace of the topics of the one camera to replay (default: none)",
    )

    # Topics.
    parser.add_argument("--color-topic", help="colour images (default: found by name and type)")
    parser.add_argument(
        "--depth-topic", help="depth images aligned to colour (default: found by name and type)"
    )
    parser.add_argument(
        "--camera-info-topic",
        help="camera information of the colour images (default: found by name and type)",
    )
    parser.add_argument(
        "--camera-info",
        type=Path,
        help="calibration file (YAML of ROS's camera_calibration) for a bag without camera_info",
    )

    add_camera_options(parser)

    # Timing and output.
    parser.add_argument(
        "--slop",
        type=positive_float,
        default=0.03,
        help="largest difference of stamps within a frame, s (default: %(default)s)",
    )
    parser.add_argument(
        "--timeout",
        type=positive_float,
        default=30.0,
        help="longest wait for the results of a frame, s (default: %(default)s)",
    )
    parser.add_argument(
        "--realtime",
        type=positive_float,
        metavar="RATE",
        help="play by the clock, RATE times as fast as recorded, and drop as live",
    )
    parser.add_argument(
        "--rrd", action="store_true", help="also write a recording for the Rerun viewer into --out"
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    options = vars(parse_arguments(arguments))
    with handling_signals(_interrupt):
        return _replay(options)


def _replay(options: dict[str, Any]) -> int:
    bags, workers, scheduler = (options.pop(name) for name in ("bags", "workers", "scheduler"))
    cameras, fixed_frame = options.pop("cameras"), options.pop("fixed_frame")

    # What plays and scores takes seconds to import, which help and wrong options need not wait for.
    from perception_kit.replay.batch import print_summary, run_batch
    from perception_kit.replay.cameras import run_cameras
    from perception_kit.replay.session import run_replay

    try:
        settings = ReplaySettings(bag=bags[0], **options)
        if cameras is not None:
            names = list(dict.fromkeys(name.strip("/") for name in cameras))
            if len(bags) > 1 or scheduler is not None:
                raise BagError("--cameras takes one bag, on this machine (no --scheduler)")
            if len(names) < 2:
                raise BagError(
                    f"--cameras takes two different names or more, separated by blanks, got"
                    f" {' '.join(cameras)}"
                )
            return run_cameras(settings, names, fixed_frame)
        if len(bags) > 1 or scheduler is not None:
            codes = run_batch(bags, settings, workers, scheduler)
            print_summary(settings.out, codes)
            return max(codes.values())
        return 0 if run_replay(settings) else EXIT_NO_RESULTS
    except _INPUT_ERRORS as error:
        print(f"replay: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    except KeyboardInterrupt:
        left = "the frames so far, without scores"
        if len(bags) > 1:
            left = "the bags that were played so far, without a summary"
        print(f"replay: interrupted; '{options['out']}' holds {left}", file=sys.stderr)
        return EXIT_INTERRUPTED


def _interrupt(number: int, frame: FrameType | None) -> None:
    """End the nodes and replays, too, and let nothing interrupt that."""
    for ignored in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ignored, signal.SIG_IGN)
    print("\nreplay: ending the nodes", file=sys.stderr)
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(run_command(main))
