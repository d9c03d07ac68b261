# SPDX-License-Identifier: Apache-2.0
"""The parts of the article on pose and tracking: their commands, and what stands on the page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.article.identities import Counts, add_up
from bench.article.page import markdown_table
from bench.article.steps import Part, Step, read_figures
from perception_kit.datasets.linemod import LINEMOD_OBJECTS

# The focal length is that of LineMOD's camera.
_SYNTH = "perception synth --meshes LMO/models --focal-length 572"
_FRAMES = f"{_SYNTH} --format bop --seed 1 --backgrounds PHOTOS"
_STAGES = {"refined": "networks", "+ views": "looked at twice"}
_CIRCLES = tuple(f"circle_{seed}" for seed in range(3))


def _masks(out: Path) -> str:
    """Mask mAP per object on the color images of LineMOD-Occlusion."""
    metrics = read_figures(out / "masks/metrics.json")
    rows = [
        [_object(name), str(of_class["instances"]["total"]), *_averages(of_class["segmentation"])]
        for name, of_class in metrics["per_class"].items()
    ]
    total = metrics["instances"]["total"]
    rows.append(["**all**", str(total), *_averages(metrics["segmentation"])])
    return markdown_table(["object", "instances", "mask mAP", "mask mAP@0.5", "box mAP"], rows)


def _averages(scores: dict[str, float]) -> list[str]:
    return [f"{100 * scores[name]:.1f}" for name in ("map", "map50", "box_map")]


def _poses(out: Path) -> str:
    """ADD(-S) below 0.1 d per object: on renders, on the frame with depth, without training."""
    runs = {
        "renders": "poses",
        "real frame": "poses_real",
        "renders, meshes alone": "meshes",
        "real frame, meshes alone": "meshes_real",
    }
    columns: dict[str, dict[str, Any]] = {}
    for title, folder in runs.items():
        stages = read_figures(out / folder / "metrics.json")["poses"]["given_masks"]
        for stage, scores in stages.items():
            if stage in _STAGES:
                columns[f"{title}, {_STAGES[stage]}"] = scores
    first = next(iter(columns.values()))
    rows = [
        [_object(name), *(_recall(scores["per_class"].get(name)) for scores in columns.values())]
        for name in first["per_class"]
    ]
    rows.append(["**all**", *map(_recall, columns.values())])
    return markdown_table(["object", *columns], rows)


def _recall(scores: dict[str, float] | None) -> str:
    return "–" if scores is None else f"{100 * scores['recall_0.1d']:.1f}"


def _identities(out: Path) -> str:
    """Switches and fragments of each kind of sequence, with each tracker."""
    kinds = {
        "LineMOD-Occlusion, real": "identities_lmo",
        "YCB-Video, real": "identities_ycbv",
        "Rendered, the camera circles": "identities_circle",
    }
    tables = []
    for title, name in kinds.items():
        sequences = read_figures(out / f"{name}.json")["sequences"]
        tables.append(f"{title}:\n\n{_counts_table(add_up(sequences.values()))}")
    return "\n\n".join(tables)


def _counts_table(counts: Counts) -> str:
    headers = ["object", "boxes"]
    for tracker in counts:
        headers += [f"switches, {tracker}", f"fragments, {tracker}"]
    rows = []
    for name, values in next(iter(counts.values())).items():
        rows.append([_object(name), str(values["truth_boxes"])])
        for classes in counts.values():
            rows[-1] += [str(classes[name]["id_switches"]), str(classes[name]["fragments"])]
    return markdown_table(headers, rows)


def _object(name: str) -> str:
    """LineMOD's name of a class that BOP numbers, such as obj_000001; others stay."""
    number = name.removeprefix("obj_")
    if number == name or not number.isdecimal():
        return name
    return LINEMOD_OBJECTS[int(number)][0]


def _evaluate(name: str, options: str) -> Step:
    return Step(name, f"perception evaluate pose {options} --out OUT/{name}")


def _identities_of(name: str, sequences: str, options: str) -> Step:
    command = f"python -m bench.article.identities {sequences} {options} --json OUT/{name}.json"
    return Step(name, command)


_RENDERS = (
    Step("renders", f"{_FRAMES} --split train --frames 2400 --out OUT/renders"),
    Step("held_out", f"{_FRAMES} --split val --frames 100 --out OUT/held_out"),
)
_ON_RENDERS = "--data OUT/renders --val OUT/held_out"
_SEGMENTATION = Step(
    "segmentation",
    f"perception train segmentation {_ON_RENDERS} --weights imagenet --input-size 480 360"
    " --max-minutes 75 --out OUT/segmentation.safetensors",
)
_POSE = Step(
    "pose",
    f"perception train pose {_ON_RENDERS} --max-minutes 30 --out OUT/pose.safetensors",
)
_LMO_MODELS = "--segmentation-model OUT/segmentation.safetensors --pose-model OUT/pose.safetensors"
_YCBV_MODELS = (
    "--segmentation-model models/ycbv/segmentation.safetensors"
    " --pose-model models/ycbv/pose.safetensors"
)

PARTS = {
    "masks": Part(
        ("LMO", "PHOTOS"),
        (
            *_RENDERS,
            _SEGMENTATION,
            _evaluate("masks", "--data LMO --split test --model OUT/segmentation.safetensors"),
        ),
        _masks,
    ),
    "poses": Part(
        ("LMO", "PHOTOS"),
        (
            *_RENDERS,
            _POSE,
            _evaluate("poses", "--data OUT/held_out --model OUT/pose.safetensors"),
            _evaluate("poses_real", "--data LMO --split test_rgbd --model OUT/pose.safetensors"),
            Step(
                "untrained",
                "python -m pose6d_node.update_objects --mesh-unit mm --add-object"
                " LMO/models/*.ply --out OUT/meshes.safetensors",
            ),
            _evaluate("meshes", "--data OUT/held_out --model OUT/meshes.safetensors"),
            _evaluate("meshes_real", "--data LMO --split test_rgbd --model OUT/meshes.safetensors"),
        ),
        _poses,
    ),
    "identities": Part(
        ("LMO", "YCBV", "PHOTOS"),
        (
            *_RENDERS,
            _SEGMENTATION,
            _POSE,
            *(
                Step(
                    name,
                    f"{_SYNTH} --path circle --no-person --seconds 30 --fps 2 --seed {seed}"
                    f" --out OUT/{name}",
                )
                for seed, name in enumerate(_CIRCLES)
            ),
            _identities_of("identities_lmo", "LMO", _LMO_MODELS),
            _identities_of("identities_ycbv", "YCBV", f"{_YCBV_MODELS} --fps 30"),
            _identities_of(
                "identities_circle", " ".join(f"OUT/{name}" for name in _CIRCLES), _LMO_MODELS
            ),
        ),
        _identities,
    ),
}
