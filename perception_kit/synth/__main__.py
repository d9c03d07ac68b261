# SPDX-License-Identifier: Apache-2.0
"""Renders data with ground truth: RGB-D recordings (rosbag2), BOP training frames, action clips,
and photographs of people (COCO)."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from tqdm import tqdm

from perception_kit.arguments import CommandParser, bounded_int, positive_float, program_name
from perception_kit.bags.bag import BagError
from perception_kit.datasets.mesh import MeshError
from perception_kit.datasets.mesh_units import add_mesh_unit
from perception_kit.processes import EXIT_INTERRUPTED, run_command
from perception_kit.short_text import counted
from perception_kit.synth.bag_writer import SceneBagWriter
from perception_kit.synth.bop_models import write_models
from perception_kit.synth.bop_writer import BopJob, write_scene_files
from perception_kit.synth.catalog import read_classes
from perception_kit.synth.clips import View, write_clips
from perception_kit.synth.object_sizes import ObjectSizes
from perception_kit.synth.people_photographs import write_photographs
from perception_kit.synth.pool import render_frames
from perception_kit.synth.recording import SyntheticRecording
from perception_kit.synth.robot_path import CAMERA_NAMES, PathKind
from perception_kit.synth.room import find_photos
from perception_kit.synth.scene import pinhole
from perception_kit.synth.splits import SPLITS
from perception_kit.synth.world import WorldConfig


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line, with the split that the format renders by default."""
    parser = CommandParser(prog=program_name("perception_kit.synth"), description=__doc__)
    add = parser.add_argument
    default = "(default: %(default)s)"

    # What is written, and where.
    add(
        "--format",
        choices=("bag", "bop", "clips", "photographs"),
        default="bag",
        help=f"what to write {default}",
    )
    add("--out", type=Path, required=True, help="folder to write; it must not exist")
    add("--seed", type=int, default=0, help=f"same seed, same images {default}")
    add(
        "--split",
        choices=SPLITS,
        help=(
            "pool of rooms, bodies, paths and noise; bop and photographs: also the folder of the"
            " frames below --out (default: test for bag, else train)"
        ),
    )

    # How much of it.
    add(
        "--frames",
        type=bounded_int(1),
        help="bag, bop and photographs: number of frames (default: bop and photographs: 1000)",
    )
    add("--seconds", type=float, help="bag: length, where --frames does not say it (default: 10)")
    add("--fps", type=float, default=15.0, help=f"bag: frames per second {default}")
    add("--clips", type=bounded_int(1), default=400, help=f"clips: number of videos {default}")

    # The camera.
    add(
        "--view",
        choices=get_args(View),
        default="room",
        help=(
            "clips: seen from anywhere in the room, or over a table by a robot that moves, as in a"
            f" bag {default}"
        ),
    )
    add("--width", type=bounded_int(1), default=640, help=f"not of clips: pixels {default}")
    add("--height", type=bounded_int(1), default=480, help=f"not of clips: pixels {default}")
    add(
        "--focal-length",
        type=bounded_int(1),
        help="bag and bop: of your camera, pixels (default: 610 at a width of 640)",
    )

    add(
        "--cameras",
        type=int,
        choices=(1, len(CAMERA_NAMES)),
        default=1,
        help=(
            "bag: of a robot that looks from side to side; two are recorded in the namespaces"
            f" {' and '.join(CAMERA_NAMES)}, with TF {default}"
        ),
    )
    add(
        "--path",
        choices=get_args(PathKind),
        default="table",
        help=(
            "bag: of the camera, before the table, on a drive through the room until it sees the"
            f" table again, or once round the table; the latter two with TF {default}"
        ),
    )

    # What is in the scenes.
    add(
        "--meshes",
        type=Path,
        help=(
            "bag and bop: folder with one sub-folder per object, each with a mesh (.obj, .glb, .ply"
            " or .stl), or BOP models folder, instead of the built-in objects"
        ),
    )
    add_mesh_unit(add)
    add(
        "--scales",
        type=positive_float,
        nargs=2,
        metavar=("SMALLEST", "LARGEST"),
        help="bop: draw each object scaled by a factor in between (default: all as their meshes)",
    )
    add(
        "--scale-axes",
        action="store_true",
        help=(
            "with --scales: another factor for each axis of an object, except for axes that its"
            " symmetries mix (default: one for all)"
        ),
    )
    add(
        "--backgrounds",
        type=Path,
        help="folder of photographs to use as textures of the room as well",
    )
    add(
        "--person",
        action=argparse.BooleanOptionalAction,
        help="somebody in the room (default: yes, except for training frames of --meshes)",
    )

    add("--workers", type=bounded_int(1), default=2, help=f"processes that render {default}")

    args = parser.parse_args(arguments)
    args.split = args.split or ("test" if args.format == "bag" else "train")
    _complete_length(parser, args)
    if args.scales is not None and args.format != "bop":
        parser.error("--scales is for --format bop")
    if args.scale_axes and args.scales is None:
        parser.error("--scale-axes is a choice of --scales SMALLEST LARGEST, which is not given")
    return args


def _complete_length(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Set ``frames`` of BOP and photographs, ``seconds`` of a bag, from what was given."""
    if args.seconds is not None and (args.frames is not None or args.format != "bag"):
        parser.error("--seconds is the length of a bag whose --frames are not given")
    if args.frames is not None and args.format == "clips":
        parser.error("--frames is not for clips: the length of --clips is that of their actions")

    if args.format in ("bop", "photographs"):
        args.frames = args.frames or 1000
    elif args.frames is not None and args.fps > 0:  # another rate is refused where it is used
        args.seconds = args.frames / args.fps
    else:
        args.seconds = 10.0 if args.seconds is None else args.seconds


def _world(args: argparse.Namespace, photos: tuple[Path, ...]) -> WorldConfig:
    """The choices of the command line. Reads the meshes first, to refuse them early."""
    if args.meshes is not None:
        for note in read_classes(args.meshes, args.mesh_unit)[1]:
            print(note)

    with_person = args.person
    if with_person is None:
        with_person = args.meshes is None or args.format == "bag"

    intrinsics = pinhole(args.width, args.height, args.focal_length)
    sizes = None
    if args.scales is not None:
        smallest, largest = args.scales
        sizes = ObjectSizes(smallest, largest, "axes" if args.scale_axes else "uniform")
    return WorldConfig(
        args.split, intrinsics, args.meshes, photos, with_person, args.mesh_unit, sizes
    )


def _write_bop(args: argparse.Namespace, world: WorldConfig) -> None:
    classes = world.classes()
    write_models(args.out / "models", classes, world.with_person)
    job = BopJob(args.out / args.split, world, args.seed)
    frames = render_frames(job.renderer, args.frames, args.workers)
    shown = tqdm(frames, total=args.frames, unit="frame")
    empty = write_scene_files(job.root, shown, [entry.class_id for entry in classes])
    if empty:
        remedy = ": give --scales nearer to 1" if args.scales else ""
        print(f"{empty} of {counted(args.frames, 'frame')} show no object{remedy}")


def _write_bag(args: argparse.Namespace, world: WorldConfig) -> None:
    recording = SyntheticRecording(
        world, args.seed, args.seconds, args.fps, args.cameras, args.path
    )
    cameras = CAMERA_NAMES if args.cameras > 1 else ()
    with_tf = args.cameras > 1 or args.path != "table"
    frames = render_frames(recording.renderer, recording.num_images, args.workers)
    with SceneBagWriter(
        args.out, world.intrinsics, args.fps, world.classes(), cameras, with_tf
    ) as writer:
        writer.write(tqdm(frames, total=recording.num_images, unit="frame"))
    write_models(args.out / "models", world.classes(), world.with_person)


def describe_render(out: Path, form: str, split: str, cameras: int = 1) -> list[str]:
    """What the command wrote, and the command that uses it: training, or scores on other splits."""
    model = "MODEL.safetensors"
    if form == "clips":
        use = f"train actions --data {out} --val-fraction 0.2 --out {model}"
        if split != "train":
            use = f"evaluate actions --data {out} --model {model} --out OUT"
        return [f"wrote {out}: labelled videos", f"next: perception {use}"]

    if form == "bag":
        of_cameras = f" --cameras {' '.join(CAMERA_NAMES)}" if cameras > 1 else ""
        return [
            f"wrote {out}: rosbag2 with its ground truth",
            f"wrote {out / 'models'}: meshes of the objects",
            f"next: perception replay {out} --out OUT{of_cameras}",
        ]

    use = f"train segmentation --data {out} --val VAL --out {model}"
    if form == "photographs":
        use += " --augmentation categories"
    if split != "train":
        use = f"evaluate pose --data {out} --model {model} --out OUT"
    written = [f"wrote {out / split}: outlined people in COCO's format"]
    if form == "bop":
        written = [
            f"wrote {out / split}: frames in BOP's format",
            f"wrote {out / 'models'}: meshes of the objects",
        ]
    return [*written, f"next: perception {use}"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status, 2 for input that cannot be used."""
    args = parse_arguments(arguments)
    if args.out.exists():
        print(f"{args.out} exists already: give another --out or remove it", file=sys.stderr)
        return 2

    try:
        photos = tuple(find_photos(args.backgrounds)) if args.backgrounds else ()
        if args.format == "clips":
            write_clips(
                args.out, args.seed, args.clips, args.split, args.workers, photos, args.view
            )
        elif args.format == "photographs":
            size = args.width, args.height
            write_photographs(
                args.out, args.seed, args.frames, size, args.split, args.workers, photos
            )
        elif args.format == "bop":
            _write_bop(args, _world(args, photos))
        else:
            _write_bag(args, _world(args, photos))
    except (MeshError, BagError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"\ninterrupted; '{args.out}' is not complete: remove it", file=sys.stderr)
        return EXIT_INTERRUPTED

    for line in describe_render(args.out, args.format, args.split, args.cameras):
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
