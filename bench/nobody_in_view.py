# SPDX-License-Identifier: Apache-2.0
"""Actions where nobody is: ``python -m bench.nobody_in_view DATASET… --segmentation F --action F``.

The photographs of the datasets that show nobody, by their annotations or by ``--all``, are looked
at for two seconds each, as still cameras do; the algorithms of the three nodes run in one process
with the nodes' defaults. A photograph counts as wrong where anybody has an action at any time.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from actionrec_node import ActionRecognizer
from actionrec_node.data.crops import PersonBox
from bench.timing import add_json_option, write_figures
from perception_kit.datasets.files import DatasetError
from perception_kit.datasets.opener import open_dataset
from perception_kit.networks.model_metadata import ModelFileError
from perception_kit.resources import resolve_path
from pose6d_node import Segmenter
from tracker_node import DeepSort, TrackerConfig

PERSON = "person"
FPS, SECONDS = 15, 2
NANOSECONDS = 10**9


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.nobody_in_view", description=__doc__)
    add = parser.add_argument
    add("data", type=Path, nargs="+", help="datasets with annotations of people")
    add("--segmentation", type=resolve_path, required=True, help="model with a class 'person'")
    add("--action", type=resolve_path, required=True, help="action model")
    add("--all", action="store_true", help="no image shows anybody: data without people's class")
    add_json_option(parser)
    return parser.parse_args(arguments)


class Watcher:
    """The algorithms of the three nodes, for still images one after another."""

    def __init__(self, segmentation: Path, action: Path) -> None:
        self._segmenter, self._recognizer = Segmenter(segmentation), ActionRecognizer(action)

    def watch(self, rgb: np.ndarray) -> tuple[bool, bool]:
        """Whether anybody is detected in an image, and whether anybody has an action in it."""
        detections = self._segmenter(rgb)
        tracker = DeepSort(TrackerConfig())
        self._recognizer.reset()
        has_action = False
        for frame in range(FPS * SECONDS + 1):
            stamp_ns = frame * NANOSECONDS // FPS
            tracks = tracker.update(detections, stamp_ns=stamp_ns)
            people = [
                PersonBox(track.id, track.box, track.score)
                for track in tracks
                if track.class_name == PERSON
            ]
            actions = self._recognizer.push(rgb, stamp_ns, people)
            has_action = has_action or any(action.label for action in actions)
        return any(found.class_name == PERSON for found in detections), has_action


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status, 2 for input that cannot be used."""
    args = parse_arguments(arguments)
    figures: dict[str, dict[str, int]] = {}
    try:
        watcher = Watcher(args.segmentation, args.action)
        for folder in args.data:
            dataset = open_dataset(folder)
            images = range(len(dataset))
            nobody = [k for k in images if args.all or dataset.shows_none(PERSON, k)]
            seen = [watcher.watch(dataset.rgb(index)) for index in tqdm(nobody, unit="image")]
            figures[str(folder)] = {
                "without people": len(nobody),
                "somebody detected": sum(detected for detected, _ in seen),
                "with an action": sum(has_action for _, has_action in seen),
            }
    except (DatasetError, ModelFileError) as error:
        print(f"nobody_in_view: {error}", file=sys.stderr)
        return 2

    for name, counts in figures.items():
        print(f"{name}: " + ", ".join(f"{key} {value}" for key, value in counts.items()))
    write_figures(args.json, {"photographs": figures})
    return 0


if __name__ == "__main__":
    sys.exit(main())
