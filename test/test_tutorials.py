# SPDX-License-Identifier: Apache-2.0
"""Command lines of the tutorial on tracking run one after the other, as they stand."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from documented_commands import DocumentedCommand, commands_of
from python_imports import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def run_command(command: DocumentedCommand, folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", command.module, *command.arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{command.line}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"


def test_tracking_files(tmp_path: Path) -> None:
    """Two people who cross, and a detector with an appearance of each."""
    truth, detections, features = [], [], []
    rng = np.random.default_rng(0)
    looks = np.eye(2, 16)
    for frame in range(1, 31):
        for person, left in ((1, 40 + 8 * frame), (2, 300 - 8 * frame)):
            place = f"{left},{100 + 40 * person},40,90"
            truth.append(f"{frame},{person},{place},1,1,1")
            detections.append(f"{frame},-1,{place},0.9,-1,-1,-1")
            features.append(looks[person - 1] + rng.normal(0, 0.02, 16))
    for folder in ("", "MOT_FOLDER/det/", "MOT_FOLDER/gt/"):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        for name, lines in (("det.txt", detections), ("gt.txt", truth)):
            if name[:2] in folder or not folder:
                (tmp_path / folder / name).write_text("\n".join(lines) + "\n")
    np.save(tmp_path / "f.npy", np.asarray(features, np.float32))
    (tmp_path / "out").mkdir()

    commands = [each for each in commands_of(ROOT / "docs/tracking.md") if each.complete]
    mot = [command for command in commands if command.module == "tracker_node.mot"]
    assert len(mot) == 2
    for command in mot:
        run_command(command, tmp_path)
    assert len((tmp_path / "tracks.txt").read_text().splitlines()) > 50

    (tune, _) = (command for command in commands if command.module == "tracker_node.tune")
    run_command(tune, tmp_path)
    assert any((tmp_path / "out/tune").iterdir())
