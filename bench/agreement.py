# SPDX-License-Identifier: Apache-2.0
"""The figures of ``tracker_node.mot`` and ``kitti`` beside those of TrackEval on the same tracks.

``python -m bench.agreement --mot FOLDER… --kitti FOLDER``: MOTChallenge folders with
``det/det.txt`` and ``gt/gt.txt``, and a folder of KITTI with ``det`` and ``label``.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import trackeval

from perception_kit.processes import run_command
from tracker_node import kitti, mot

Figures = dict[str, float]
TRACKER = "tracker"
TOLERANCE = 1e-6

# Our key: the metric and the key of TrackEval.
KEYS = {
    "mota": ("CLEAR", "MOTA"),
    "motp": ("CLEAR", "MOTP"),
    "idf1": ("Identity", "IDF1"),
    "hota": ("HOTA", "HOTA"),
    "deta": ("HOTA", "DetA"),
    "assa": ("HOTA", "AssA"),
    "id_switches": ("CLEAR", "IDSW"),
    "fragments": ("CLEAR", "Frag"),
    "false_positives": ("CLEAR", "CLR_FP"),
    "misses": ("CLEAR", "CLR_FN"),
    "mostly_tracked": ("CLEAR", "MT"),
    "partially_tracked": ("CLEAR", "PT"),
    "mostly_lost": ("CLEAR", "ML"),
}
SHOWN = (
    "mota",
    "motp",
    "idf1",
    "hota",
    "id_switches",
    "fragments",
    "mostly_tracked",
    "mostly_lost",
)


def trackeval_mot(benchmark: str, truth: Path, tracks: Path, frames: int) -> Figures:
    """TrackEval's figures of a MOTChallenge result; ``benchmark`` is MOT15, MOT17 or MOT20."""
    with TemporaryDirectory() as folder:
        root = Path(folder)
        _copy(truth, root / "gt/sequence/gt/gt.txt")
        _copy(tracks, root / TRACKER / "data/sequence.txt")
        dataset = trackeval.datasets.MotChallenge2DBox(
            {
                "GT_FOLDER": str(root / "gt"),
                "TRACKERS_FOLDER": folder,
                "TRACKERS_TO_EVAL": [TRACKER],
                "BENCHMARK": benchmark,
                "SEQ_INFO": {"sequence": frames},
                "SKIP_SPLIT_FOL": True,
                "PRINT_CONFIG": False,
            }
        )
        return _evaluate(dataset)["sequence"]


def trackeval_kitti(labels: Path, results: Path, frames: Mapping[str, int]) -> dict[str, Figures]:
    """TrackEval's figures of KITTI results, by sequence (``frames`` of each), and of "all"."""
    with TemporaryDirectory() as folder:
        root = Path(folder)
        for name in frames:
            _copy(labels / f"{name}.txt", root / "gt/label_02" / f"{name}.txt")
            _copy(results / f"{name}.txt", root / TRACKER / "data" / f"{name}.txt")
        lines = [f"{name} empty 000000 {count:06d}\n" for name, count in frames.items()]
        (root / "gt/evaluate_tracking.seqmap.training").write_text("".join(lines))
        dataset = trackeval.datasets.Kitti2DBox(
            {
                "GT_FOLDER": str(root / "gt"),
                "TRACKERS_FOLDER": folder,
                "TRACKERS_TO_EVAL": [TRACKER],
                "CLASSES_TO_EVAL": ["pedestrian"],
                "OUTPUT_FOLDER": str(root / "out"),
                "PRINT_CONFIG": False,
            }
        )
        figures = _evaluate(dataset)
    return {name: figures[name] for name in frames} | {"all": figures["COMBINED_SEQ"]}


def compare_mot(folder: Path, out: Path, *options: str) -> tuple[Figures, Figures]:
    """Our figures and TrackEval's of a MOTChallenge folder; the tracks go to ``out``."""
    truth, tracks, report = folder / "gt/gt.txt", out / "tracks.txt", out / "metrics.json"
    frames = int(np.loadtxt(truth, delimiter=",", usecols=0).max())
    inputs = ["--detections", str(folder / "det/det.txt"), "--truth", str(truth)]
    outputs = ["--out", str(tracks), "--json", str(report), "--frames", str(frames)]
    with redirect_stdout(StringIO()):
        mot.main([*inputs, *outputs, *options])

    width = len(truth.read_text().partition("\n")[0].split(","))
    benchmark = "MOT15" if width == 10 else "MOT17"
    return json.loads(report.read_text()), trackeval_mot(benchmark, truth, tracks, frames)


def compare_kitti(folder: Path, out: Path) -> dict[tuple[str, str], tuple[Figures, Figures]]:
    """Our figures and TrackEval's by (sequence, motion term) of a KITTI folder."""
    report = out / "kitti.json"
    inputs = ["--detections", str(folder / "det"), "--labels", str(folder / "label")]
    with redirect_stdout(StringIO()):
        kitti.main([*inputs, "--out", str(out), "--json", str(report)])
    rows = json.loads(report.read_text())["results"]
    ours = {(row["sequence"], row["motion"]): row for row in rows}

    frames = {}
    for name in {name for name, _ in ours} - {"all"}:
        numbers = [
            int(line.replace(",", " ").split()[0])
            for source in ("det", "label")
            for line in (folder / source / f"{name}.txt").read_text().splitlines()
        ]
        frames[name] = max(numbers) + 1
    theirs = {
        motion: trackeval_kitti(folder / "label", out / motion, frames)
        for motion in kitti.MOTION_TERMS
    }
    return {(name, motion): (ours[name, motion], theirs[motion][name]) for name, motion in ours}


def main(arguments: Sequence[str] | None = None) -> int:
    """Print both figures in one table; exit code 1 where they differ."""
    args = _parser().parse_args(arguments)
    pairs: dict[str, tuple[Figures, Figures]] = {}
    with TemporaryDirectory() as out:
        for folder in args.mot:
            pairs[folder.name] = compare_mot(folder, Path(out), "--fps", str(args.fps))
        if args.kitti:
            pairs |= {
                f"KITTI {name} {motion}": both
                for (name, motion), both in compare_kitti(args.kitti, Path(out)).items()
            }

    print(f"{'sequence':>16}" + "".join(f"{key:>18}" for key in SHOWN))
    differ = 0
    for name, (ours, theirs) in pairs.items():
        cells = (f"{_cell(ours[key])} = {_cell(theirs[key])}" for key in SHOWN)
        print(f"{name:>16}" + "".join(f"{cell:>18}" for cell in cells))
        differ += sum(abs(ours[key] - theirs[key]) > TOLERANCE for key in KEYS)
    print(f"{differ} of {len(pairs) * len(KEYS)} figures differ by more than {TOLERANCE:g}")
    return int(differ > 0)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)


def _evaluate(dataset: trackeval.datasets.Kitti2DBox) -> dict[str, Figures]:
    """The figures of each sequence, and of all as "COMBINED_SEQ"."""
    quiet = dict.fromkeys(
        ("PRINT_RESULTS", "PRINT_CONFIG", "TIME_PROGRESS", "OUTPUT_SUMMARY", "OUTPUT_DETAILED"),
        False,
    )
    evaluator = trackeval.Evaluator({**quiet, "PLOT_CURVES": False, "BREAK_ON_ERROR": True})
    metrics = [
        trackeval.metrics.HOTA(),
        trackeval.metrics.CLEAR({"PRINT_CONFIG": False}),
        trackeval.metrics.Identity({"PRINT_CONFIG": False}),
    ]
    with redirect_stdout(StringIO()):
        results, _ = evaluator.evaluate([dataset], metrics)
    return {
        sequence: {
            key: float(np.mean(classes["pedestrian"][metric][name]))
            for key, (metric, name) in KEYS.items()
        }
        for sequence, classes in results[dataset.get_name()][TRACKER].items()
    }


def _cell(value: float) -> str:
    return f"{value:.4f}" if value != round(value) else f"{value:.0f}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench.agreement", description="Compare tracking figures with TrackEval."
    )
    parser.add_argument("--mot", type=Path, nargs="+", default=[], help="MOTChallenge folders")
    parser.add_argument("--fps", type=float, default=30.0, help="their rate (default: 30)")
    parser.add_argument("--kitti", type=Path, help="folder with det and label")
    return parser


if __name__ == "__main__":
    sys.exit(run_command(main))
