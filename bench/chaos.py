# SPDX-License-Identifier: Apache-2.0
"""Kills, freezes and starves the nodes while a camera runs: ``python -m bench.chaos --bag BAG``.

For each outage it says after how many seconds every node gives results again, how much computing
that took and how busy the machine was, whether the outage was said on ``/diagnostics`` and
``alarm_health``, and whether the identities of what stands still came back: all but people. At the
end frames must be answered as they were at the beginning.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from time import monotonic, time
from typing import Any

import numpy as np

from bench.chain import cpu_seconds
from bench.live_run import (
    NODES,
    Heard,
    LiveRun,
    domain,
    node_processes,
    read_frames,
    running_nodes,
)
from bench.timing import add_json_option
from perception_kit.json_output import write_json
from perception_kit.resources import package_folder
from perception_kit.ros.restarts import RestartPolicy
from perception_kit.stamps import stamp_to_ns
from perception_kit.temporary import temporary_folder

FIRST_RESULT = {
    "pose6d_node": "pose6d_node/detections",
    "tracker_node": "tracker_node/tracks",
    "actionrec_node": "actionrec_node/actions",
}
HEALTH = "actionrec_node/alarm_health"
HEALTH_DEADLINE_S = 1.0
CONFIRMED, READY = 2, 2  # of Track.msg and AlarmHealth.msg
PERSON = "person"
SHORT_S = 10.0  # outages in which identities must be kept
COMPARED_FRAMES = 5
START_LIMIT_S, RECOVERY_LIMIT_S = 300.0, 180.0
ACTION_MODEL = package_folder() / "models" / "demo" / "action.safetensors"


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.chaos", description=__doc__)
    parser.add_argument("--bag", type=Path, required=True, help="recording with color and depth")
    parser.add_argument("--frames", type=int, default=60, help="that are played back and forth")
    parser.add_argument("--rate", type=float, default=15.0, help="frames a second")
    parser.add_argument(
        "--minutes", type=float, default=10.0, help="new rounds are begun until then"
    )
    parser.add_argument(
        "--outage", type=float, default=8.0, help="seconds of a freeze or no camera"
    )
    parser.add_argument("--log-dir", type=Path, default=Path("out/chaos/logs"))
    add_json_option(parser)
    return parser.parse_args(arguments)


class Chaos:
    """The outages, by name, of the nodes of a running bring-up."""

    def __init__(self, run: LiveRun, bringup: int, model: Path, outage_s: float) -> None:
        self.run, self.bringup, self.model, self.outage_s = run, bringup, model, outage_s
        self._kills_s: dict[str, list[float]] = {node: [] for node in NODES}
        self.outages: dict[str, Callable[[], str]] = {
            **{f"kill {node}": partial(self._kill, node) for node in NODES},
            **{f"freeze {node}": partial(self._freeze, node) for node in NODES},
            "camera stops": self._stop_camera,
            "model vanishes": self._hide_model,
            "disk is full": self._fill_disk,
        }

    def measure(self, name: str) -> dict[str, Any]:
        """Figures of one outage."""
        self._let_nodes_settle()
        before, begin_s = self.identities(), monotonic()
        node = self.outages[name]()
        end_s = begin_s if name.startswith("kill") else monotonic()
        recovery_s = {other: self.first_result_s(other, end_s) for other in NODES}
        cpu_s = cpu_seconds(self._process(node)) if self._kills_s.get(node) else None
        outage_s = monotonic() - begin_s
        self.run.spin(3.0)
        after = self.identities()
        return {
            "outage": name,
            "recovery_s": recovery_s,
            "cpu_s": cpu_s if "kill" in name else None,  # of the node that is new
            "load": os.getloadavg()[0],
            "outage_s": round(outage_s, 1),
            "said": self.run.errors(node, begin_s)[:1] if node else [],
            "unsaid_alarm_s": round(self._unsaid_s(begin_s, monotonic()), 2),
            "identities": len(before),
            "lost": sorted(before - after),
        }

    def _let_nodes_settle(self) -> None:
        """Wait until no node is near the limit of its restarts: it would be given up."""
        policy = RestartPolicy()
        for kills_s in self._kills_s.values():
            if len(kills_s) + 2 > policy.limit:  # an outage kills twice at most
                quiet_s = policy.stable_s + policy.longest_delay_s
                self.run.spin(max(0.0, kills_s[-1] + quiet_s - monotonic()))
                kills_s.clear()

    def first_result_s(self, node: str, since_s: float) -> float | None:
        """Seconds from ``since_s`` to the first result of a node for an image of after that time.

        What was under way to this process when the node ended is none. None where none came.
        """
        stamped_s = since_s + time() - monotonic()
        limit_s = monotonic() + RECOVERY_LIMIT_S
        while monotonic() < limit_s:
            for entry in self.run.since(FIRST_RESULT[node], since_s):
                if stamp_to_ns(entry.message.header.stamp) * 1e-9 >= stamped_s:
                    return round(entry.time_s - since_s, 2)
            self.run.spin(0.1)
        return None

    def identities(self) -> set[tuple[str, int]]:
        """Class and id of the confirmed tracks of the last frames, without people."""
        newest = self.run.heard["tracker_node/tracks"][-5:]
        tracks = [track for entry in newest for track in entry.message.tracks]
        return {
            (track.class_name, track.id)
            for track in tracks
            if track.state == CONFIRMED and track.class_name != PERSON
        }

    def _unsaid_s(self, begin_s: float, end_s: float) -> float:
        """Seconds without new actions in which ``alarm_health`` still said READY."""
        came = self.run.since(FIRST_RESULT["actionrec_node"], begin_s)
        times_s = [entry.time_s for entry in came]
        gaps = zip([begin_s, *times_s], [*times_s, end_s], strict=True)
        start_s, stop_s = max(gaps, key=lambda gap: gap[1] - gap[0])
        ready = [
            entry.time_s
            for entry in self.run.since(HEALTH, start_s)
            if entry.message.state == READY and entry.time_s < stop_s
        ]
        return max(0.0, min(max(ready, default=start_s) + HEALTH_DEADLINE_S, stop_s) - start_s)

    def _process(self, node: str) -> int:
        limit_s = monotonic() + START_LIMIT_S
        while (process := node_processes(self.bringup).get(node)) is None:
            if monotonic() > limit_s:
                raise RuntimeError(f"{node} does not run")
            self.run.spin(0.2)
        return process

    def _kill(self, node: str) -> str:
        os.kill(self._process(node), signal.SIGKILL)
        self._kills_s[node].append(monotonic())
        return node

    def _freeze(self, node: str) -> str:
        process = self._process(node)
        os.kill(process, signal.SIGSTOP)
        self.run.spin(self.outage_s)
        os.kill(process, signal.SIGCONT)
        return node

    def _stop_camera(self) -> str:
        self.run.camera_on = False
        self.run.spin(self.outage_s)
        self.run.camera_on = True
        return ""

    def _hide_model(self) -> str:
        """A node that is restarted meanwhile must say what it lacks."""
        hidden = self.model.with_suffix(".hidden")
        self.model.rename(hidden)
        self._kill("actionrec_node")
        limit_s = monotonic() + RECOVERY_LIMIT_S
        since_s = monotonic()
        while monotonic() < limit_s:
            self.run.spin(0.5)
            if any("does not exist" in text for text in self.run.errors("actionrec_node", since_s)):
                break
        hidden.rename(self.model)
        self._kill("actionrec_node")
        return "actionrec_node"

    def _fill_disk(self) -> str:
        """No file of the tracker may grow: it must go on without keeping its state."""
        process = self._process("tracker_node")
        soft, hard = resource.prlimit(process, resource.RLIMIT_FSIZE)
        resource.prlimit(process, resource.RLIMIT_FSIZE, (0, hard))
        self.run.spin(self.outage_s)
        resource.prlimit(process, resource.RLIMIT_FSIZE, (soft, hard))
        return ""


def answers_of(entries: Sequence[Heard]) -> dict[int, list[tuple[str, np.ndarray]]]:
    """Class and box of the detections by frame, as answered last."""
    return {
        entry.frame: [
            (found.class_name, np.asarray(found.box)) for found in entry.message.detections
        ]
        for entry in entries
        if entry.frame is not None
    }


def are_equal(first: Sequence[Any], second: Sequence[Any]) -> bool:
    """Whether two answers of ``answers_of`` are the same to a hundredth of a pixel."""
    return len(first) == len(second) and all(
        a[0] == b[0] and np.allclose(a[1], b[1], atol=0.01)
        for a, b in zip(first, second, strict=True)
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the outages in turn; returns 1 where a node did not come back or an answer changed."""
    options = parse_arguments(arguments)
    frames, number = read_frames(options.bag, options.frames), domain()
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    results: list[dict[str, Any]] = []
    with temporary_folder("chaos") as folder:
        model = Path(shutil.copy(ACTION_MODEL, folder / "action.safetensors"))
        run = LiveRun(frames, options.rate, number)
        with running_nodes(number, options.log_dir, {"--action-model": model}) as bringup:
            chaos = Chaos(run, bringup, model, options.outage)
            begin_s = monotonic()
            started = {node: chaos.first_result_s(node, begin_s) for node in NODES}
            run.spin(10.0)
            first = answers_of(run.heard["pose6d_node/detections"])

            end_s = monotonic() + options.minutes * 60
            while monotonic() < end_s:
                for name in chaos.outages:
                    if results and monotonic() >= end_s:
                        break
                    results.append(chaos.measure(name))
                    print(results[-1], flush=True)
            equal = _are_answered_equally(run, first)
        run.client.close()

    summary = _summary(results, started, equal)
    print(summary)
    if options.json is not None:
        write_json(options.json, {"summary": summary, "outages": results})
    return 0 if summary["came_back"] == len(results) and equal else 1


def _are_answered_equally(run: LiveRun, first: dict[int, list[Any]]) -> bool:
    """Whether frames are answered as they were at ``first``; some that were must come again."""
    since_s, limit_s = monotonic(), monotonic() + RECOVERY_LIMIT_S
    again: dict[int, list[Any]] = {}
    while len(again) < min(COMPARED_FRAMES, len(first)) and monotonic() < limit_s:
        run.spin(0.5)
        found = answers_of(run.since("pose6d_node/detections", since_s))
        again = {frame: found[frame] for frame in first if frame in found}
    return bool(again) and all(are_equal(again[frame], first[frame]) for frame in again)


def _summary(results: Sequence[Any], started: dict[str, Any], equal: bool) -> dict[str, Any]:
    """The figures of all outages."""
    recoveries = [r["recovery_s"] for r in results]
    kills = [r["recovery_s"][r["outage"].split()[1]] for r in results if "kill" in r["outage"]]
    cpu_s = [r["cpu_s"] for r in results if r["cpu_s"] is not None]
    short = [r for r in results if r["outage_s"] <= SHORT_S]
    return {
        "start_s": started,
        "outages": len(results),
        "came_back": sum(None not in recovery.values() for recovery in recoveries),
        "longest_recovery_after_kill_s": max((s for s in kills if s is not None), default=None),
        "most_computing_after_kill_s": max(cpu_s, default=None),
        "outages_with_identities_kept": sum(not r["lost"] for r in results),
        "short_outages": len(short),
        "short_outages_with_identities_kept": sum(not r["lost"] for r in short),
        "identities_lost": [
            sum(len(r["lost"]) for r in results),
            sum(r["identities"] for r in results),
        ],
        "longest_unsaid_alarm_s": max((r["unsaid_alarm_s"] for r in results), default=0.0),
        "answers_equal": equal,
    }


if __name__ == "__main__":
    sys.exit(main())
