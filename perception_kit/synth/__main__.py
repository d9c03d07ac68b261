# SPDX-License-Identifier: Apache-2.0
"""Render RGB-D data with ground truth: a recording (rosbag2), training frames (BOP) or action
clips.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import get_args

from tqdm import tqdm

from perception_kit.arguments import bounded_int
from perception_kit.bags.bag import BagError
from perception_kit.datasets.mesh import MeshError
from perception_kit.synth.bag_writer import SceneBagWriter
from perception_kit.synth.bop_models import write_models
from perception_kit.synth.bop_writer import BopJob, write_scene_files
from perception_kit.synth.catalog import read_classes
from perception_kit.synth.clips import View, write_clips
from perception_kit.synth.pool import render_frames
from perception_kit.synth.recording import Recording
from perception_kit.synth.room import find_photos
from perception_kit.synth.scene import SPLITS, pinhole
from perception_kit.synth.world import WorldConfig


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m perception_kit.synth", description=__doc__)
    parser.add_argument(
        "--format",
        choices=("bag", "bop", "clips"),
        default="bag",
        help="what to write (default: %(default)s)",
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="folder to write; it must not exist"
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="same seed, same images (default: %(default)s)"
    )
    parser.add_argument(
        "--split",
        choices=SPLITS,
        help="pool of rooms, bodies, paths and noise (default: test for bag, else train)",
    )
    parser.add_argument(
        "--frames",
        type=bounded_int(1),
        default=1000,
        help="bop: number of frames (default: %(default)s)",
    )
    parser.add_argument(
        "--seconds", type=float, default=10.0, help="bag: length (default: %(default)s)"
    )
    parser.add_argument(
        "--fps", type=float, default=15.0, help="bag: frames per second (default: %(default)s)"
    )
    parser.add_argument(
        "--clips",
        type=bounded_int(1),
        default=400,
        help="clips: number of videos (default: %(default)s)",
    )
    parser.add_argument(
        "--view",
        choices=get_args(View),
        default="room",
        help=(
            "clips: seen from anywhere in the room, or over a table by a robot that moves, as in a"
            " bag (default: %(default)s)"
        ),
    )
    parser.add_argument(
        "--width",
        type=bounded_int(1),
        default=640,
        help="bag and bop: pixels (default: %(default)s)",
    )
    parser.add_argument(
        "--height",
        type=bounded_int(1),
        default=480,
        help="bag and bop: pixels (default: %(default)s)",
    )
    parser.add_argument(
        "--focal-length",
        type=bounded_int(1),
        help="bag and bop: of your camera, pixels (default: 610 at a width of 640)",
    )
    parser.add_argument(
        "--meshes",
        type=Path,
        help=(
            "bag and bop: folder with one sub-folder per object, each with a textured .obj, instead"
            " of the built-in objects"
        ),
    )
    parser.add_argument(
        "--backgrounds",
        type=Path,
        help="folder of photographs to use as textures of the room as well",
    )
    parser.add_argument(
        "--person",
        action=argparse.BooleanOptionalAction,
        help="somebody in the room (default: yes, except for training frames of --meshes)",
    )
    parser.add_argument(
        "--workers",
        type=bounded_int(1),
        default=2,
        help="processes that render (default: %(default)s)",
    )
    return parser


def _world(args: argparse.Namespace, photos: tuple[Path, ...]) -> WorldConfig:
    """The choices of the command line, after the meshes proved readable."""
    if args.meshes is not None:
        for note in read_classes(args.meshes)[1]:
            print(note, file=sys.stderr)
    with_person = (
        args.person if args.person is not None else args.meshes is None or args.format == "bag"
    )
    return WorldConfig(
        args.split,
        pinhole(args.width, args.height, args.focal_length),
        args.meshes,
        photos,
        with_person,
    )


def _write_bop(args: argparse.Namespace, world: WorldConfig) -> None:
    write_models(args.out / "models", world.classes(), world.with_person)
    job = BopJob(args.out / "train", world, args.seed)
    frames = render_frames(job.renderer, args.frames, args.workers)
    write_scene_files(args.out / "train", tqdm(frames, total=args.frames, unit="frame"))


def _write_bag(args: argparse.Namespace, world: WorldConfig) -> None:
    recording = Recording(world, args.seed, args.seconds, args.fps)
    frames = render_frames(recording.renderer, recording.num_frames, args.workers)
    with SceneBagWriter(args.out, world.intrinsics, args.fps, world.classes()) as writer:
        writer.write(tqdm(frames, total=recording.num_frames, unit="frame"))
    write_models(args.out / "models", world.classes(), world.with_person)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit status, 2 for input that cannot be used."""
    args = _parser().parse_args(arguments)
    args.split = args.split or ("test" if args.format == "bag" else "train")
    if args.out.exists():
        print(f"{args.out} exists already: give another --out or remove it", file=sys.stderr)
        return 2
    try:
        photos = tuple(find_photos(args.backgrounds)) if args.backgrounds else ()
        if args.format == "clips":
            write_clips(
                args.out, args.seed, args.clips, args.split, args.workers, photos, args.view
            )
        elif args.format == "bop":
            _write_bop(args, _world(args, photos))
        else:
            _write_bag(args, _world(args, photos))
    except (MeshError, BagError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
