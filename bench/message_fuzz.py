# SPDX-License-Identifier: Apache-2.0
"""Sends malformed messages to the running nodes: ``python -m bench.message_fuzz --bag BAG``.

Every input of the three nodes gets fields that cannot be meant and damaged bytes. In between comes
the same good frame: no node may end, and each must answer it as it did at the beginning.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from time import monotonic, time_ns
from typing import Any

import numpy as np
from rclpy.serialization import deserialize_message, serialize_message
from tqdm import tqdm

from bench.live_run import CAMERA, CDR_BYTES, NODES, STAMP, domain, read_frames
from bench.malformed import malformed
from bench.timing import add_json_option
from perception_kit.json_output import write_json
from perception_kit.ros.graph_client import GraphClient
from perception_kit.ros.node_processes import NodeGroup, start_nodes
from perception_kit.ros.serialization import message_class
from perception_kit.stamps import stamp_to_ns

# What one node would send to the next comes from here.
LINKS = {
    "detections": ("InstanceDetectionArray", "pose6d_node/detections"),
    "poses": ("ObjectPoseArray", "pose6d_node/poses"),
    "tracks": ("TrackArray", "tracker_node/tracks"),
}
RESULTS = {topic: kind for kind, topic in LINKS.values()} | {
    "actionrec_node/actions": "ActionArray"
}
BURST, BURST_S = 8, 0.1  # messages of a topic at a time, of which nodes keep the last 10
BURSTS = 10  # between two good frames
ANSWER_S, LIMIT_S = 5.0, 900.0  # a busy machine takes minutes to start
TOLERANCE = 0.01  # of pixels, and of metres


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.message_fuzz", description=__doc__)
    parser.add_argument("--bag", type=Path, required=True, help="recording with color and depth")
    parser.add_argument("--messages", type=int, default=60_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--log-dir", type=Path, default=Path("out/message_fuzz/logs"))
    add_json_option(parser)
    return parser.parse_args(arguments)


class Attack:
    """Malformed and good messages for the nodes of ``group``; ``answers`` by topic and stamp."""

    def __init__(self, client: GraphClient, group: NodeGroup, camera: dict[str, bytes]) -> None:
        self.client, self.group = client, group
        self.answers: dict[str, dict[int, Any]] = {topic: {} for topic in RESULTS}
        types = CAMERA | {
            name: f"assistant_perception/msg/{kind}" for name, (kind, _) in LINKS.items()
        }
        for name, kind in types.items():
            client.add_publisher(kind, f"/fuzz/{name}")
        for topic, kind in RESULTS.items():
            client.subscribe(f"assistant_perception/msg/{kind}", f"/{topic}", self._keeper(topic))

        # Until the nodes have answered there is nothing to detect, to track and to recognize.
        self.good = camera | {
            name: bytes(serialize_message(message_class(types[name])())) for name in LINKS
        }
        for link, (_, topic) in LINKS.items():
            answer = self.answer()[topic]
            self.good[link] = bytes(serialize_message(answer))
        self._messages = {
            name: deserialize_message(data, message_class(types[name]))
            for name, data in self.good.items()
        }

    def answer(self) -> dict[str, Any]:
        """What the nodes make of the good frame, by topic.

        It is sent again until all of them have answered, as a camera would. Raises RuntimeError
        where a node has ended or does not answer.
        """
        end_s = monotonic() + LIMIT_S
        while monotonic() < end_s:
            stamp_ns = time_ns()
            for name, data in self.good.items():
                self._publish(name, stamped(data, stamp_ns))
            again_s = monotonic() + ANSWER_S
            while monotonic() < again_s:
                self.check()
                if all(stamp_ns in found for found in self.answers.values()):
                    found = {topic: found[stamp_ns] for topic, found in self.answers.items()}
                    for kept in self.answers.values():
                        kept.clear()
                    return found
                self.client.spin_once(0.05)
        lacking = [topic for topic, found in self.answers.items() if not found]
        raise RuntimeError(f"no answer to the good frame in {LIMIT_S:.0f} s: {lacking}")

    def send(self, rng: np.random.Generator) -> int:
        """Bursts of malformed messages on every input; returns how many."""
        for _ in range(BURSTS):
            for _ in range(BURST):
                for name, message in self._messages.items():
                    self._publish(name, malformed(message, rng))
            end_s = monotonic() + BURST_S
            while (left_s := end_s - monotonic()) > 0:
                self.client.spin_once(left_s)
            self.check()
        return BURSTS * BURST * len(self._messages)

    def check(self) -> None:
        """Raise RuntimeError where a node has ended."""
        ended = {name: code for name, code in self.group.poll().items() if code is not None}
        if ended:
            raise RuntimeError(f"nodes have ended, with return codes: {ended}")

    def _publish(self, name: str, data: bytes) -> None:
        self.client.publish(f"/fuzz/{name}", data, monotonic() + 5.0)

    def _keeper(self, topic: str) -> Any:
        def keep(message: Any) -> None:
            self.answers[topic][stamp_to_ns(message.header.stamp)] = message

        return keep


def stamped(data: bytes, stamp_ns: int) -> bytes:
    """CDR bytes of a message that begins with a header, with another stamp."""
    copied = bytearray(data)
    stamp = STAMP.pack(*divmod(stamp_ns, 1_000_000_000))
    copied[CDR_BYTES : CDR_BYTES + STAMP.size] = stamp
    return bytes(copied)


def difference(first: dict[str, Any], other: dict[str, Any]) -> str:
    """Where two answers differ first; empty where they do not.

    Of tracks only those count that the frame's detections belong to.
    """
    for topic in RESULTS:
        expected, found = elements(topic, first[topic]), elements(topic, other[topic])
        if [name for name, _ in expected] != [name for name, _ in found]:
            return f"{topic}: {[n for n, _ in found]} instead of {[n for n, _ in expected]}"
        for (name, a), (_, b) in zip(expected, found, strict=True):
            if not np.allclose(a, b, atol=TOLERANCE):
                return f"{topic}: {name} at {b} instead of {a}"
    return ""


def elements(topic: str, message: Any) -> list[tuple[str, list[float]]]:
    """Class and place of each element of an answer; the classes alone of tracks and actions."""
    if topic.endswith("detections"):
        return [(d.class_name, [*map(float, d.box), d.score]) for d in message.detections]
    if topic.endswith("poses"):
        places = [(p.class_name, p.pose.position) for p in message.poses]
        return [(name, [place.x, place.y, place.z]) for name, place in places]
    if topic.endswith("tracks"):
        return sorted((t.class_name, []) for t in message.tracks if t.detection_id >= 0)
    return [(name, []) for name in message.class_names]


def main(arguments: Sequence[str] | None = None) -> int:
    """Attack, and print the figures; returns 1 where a node ended or answered something else."""
    options = parse_arguments(arguments)
    (frame,) = read_frames(options.bag, 1)
    parts = (frame.color, frame.depth, frame.camera_info)
    camera = {
        name: bytes(part.data) for name, part in zip(CAMERA, parts, strict=True) if part is not None
    }
    rng, number = np.random.default_rng(options.seed), domain()
    remappings = {name: f"/fuzz/{name}" for name in (*CAMERA, *LINKS)}
    parameters = {name: {"input_reliability": "reliable"} for name in NODES}

    sent, failure, differences, answers = 0, "", [], 0
    with (
        start_nodes(parameters, remappings, domain_id=number, log_dir=options.log_dir) as group,
        GraphClient("message_fuzz", number) as client,
        tqdm(total=options.messages, unit="message", disable=None) as bar,
    ):
        try:
            attack = Attack(client, group, camera)
            first = attack.answer()
            while sent < options.messages:
                number_sent = attack.send(rng)
                sent, answers = sent + number_sent, answers + 1
                bar.update(number_sent)
                if text := difference(first, attack.answer()):
                    differences.append(f"after {sent} messages: {text}")
                    print(differences[-1], flush=True)
        except RuntimeError as error:
            failure = str(error)

    figures = {
        "messages": sent,
        "good_frames": answers,
        "failure": failure,
        "differences": differences,
    }
    print(figures)
    if options.json is not None:
        write_json(options.json, figures)
    return 1 if failure or differences else 0


if __name__ == "__main__":
    sys.exit(main())
