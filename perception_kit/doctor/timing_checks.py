# SPDX-License-Identifier: Apache-2.0
"""Checks whether the stamps grow, belong together and come often enough."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from perception_kit.doctor.observation import Finding, Observation, TopicSeen
from perception_kit.ros.sync import KEPT_S, LATE_S

LOWEST_RATE_HZ = 5.0
_MANY = 0.1  # fraction of the frames from which on a fault is reported
_LONG_GAP = 2.5  # in median periods
_CLOCK_S = 1.0


def check_stamps(seen: Observation) -> Iterator[Finding]:
    """``stamp-zero``, ``stamp-duplicate``, ``stamp-backward``, ``stamp-clock``."""
    for role, topic in seen.received().items():
        if role == "camera_info":  # holds until the next, whatever its stamp is
            continue
        where = f"'{topic.topic}' ({role})"
        if not any(topic.stamps_ns):
            advice = "let the driver stamp its images with the time of exposure"
            yield Finding("stamp-zero", f"all stamps of {where} are 0", advice)
            continue
        steps = np.diff(topic.stamps_ns)

        if same := int((steps == 0).sum()):
            what = f"{where} has {same} messages with the stamp of the one before"
            advice = (
                "two publishers on one topic, or a driver that repeats frames: such frames are"
                " dropped"
            )
            yield Finding("stamp-duplicate", what, advice)

        if backward := int((steps < 0).sum()):
            what = f"stamps of {where} go back {backward} times, by up to {_s(-steps.min())}"
            advice = (
                "a bag that loops, a clock that was set, or two publishers: the nodes start over"
                " each time"
            )
            yield Finding("stamp-backward", what, advice)

        delay_s = float(np.median(topic.delays_s)) if topic.delays_s else 0.0
        if not seen.simulated_time and abs(delay_s) > _CLOCK_S:
            what = f"stamps of {where} are {delay_s:.1f} s behind this machine's clock"
            advice = (
                "synchronise the clocks of camera and machines (chrony), or use use_sim_time with a"
                " played bag: latencies are wrong"
            )
            yield Finding("stamp-clock", what, advice)


def check_gaps(seen: Observation) -> Iterator[Finding]:
    """``stamp-gap``: colour images without depth within slop."""
    received = seen.received()
    if "color" not in received or "depth" not in received:
        return
    color = np.sort(received["color"].stamps_ns)
    depth = np.sort(received["depth"].stamps_ns)

    # At the ends of a recording partners may be cut off.
    inside = color
    if len(color) > 2 and len(depth) > 1:
        inside = color[(color >= depth[0]) & (color <= depth[-1])]
    gaps = _nearest(inside, depth)
    lonely = float((gaps > seen.slop_s * 1e9).mean()) if len(gaps) else 1.0
    if lonely <= _MANY:
        return

    typical = "they do not overlap in time"
    if len(gaps):
        typical = f"typically {_s(np.median(gaps))}"
    what = (
        f"{lonely:.0%} of the colour images have no depth within slop = {seen.slop_s} s"
        f" ({typical} apart): they get no poses"
    )
    advice = (
        "let the driver synchronise its streams at one rate; if they are just shifted, raise"
        " the parameter slop of pose6d_node"
    )
    yield Finding("stamp-gap", what, advice)


def check_late_depth(seen: Observation) -> Iterator[Finding]:
    """``depth-late``: depth arrives long after the colour image of its stamp."""
    received = seen.received()
    if "color" not in received or "depth" not in received:
        return
    color, depth = _arrivals(received["color"]), _arrivals(received["depth"])
    late = [depth[stamp_ns] - color[stamp_ns] for stamp_ns in sorted(color.keys() & depth.keys())]
    late_s = float(np.median(late)) * 1e-9 if late else 0.0
    if late_s < LATE_S:
        return

    what = f"depth arrives {late_s:.1f} s after the colour image of its stamp"
    if late_s > KEPT_S:
        what += f": pose6d_node keeps colour images for {KEPT_S:g} s, so there are no poses"
    advice = (
        "a busy machine or network, or the driver's alignment of depth: lower the resolution or"
        " the rate; poses are late by as much (a replay does not mind)"
    )
    yield Finding("depth-late", what, advice)


def _arrivals(topic: TopicSeen) -> dict[int, float]:
    """When each message arrived, or was recorded, by its stamp; nanoseconds."""
    arrivals = zip(topic.stamps_ns, topic.delays_s, strict=False)
    return {stamp_ns: stamp_ns + delay_s * 1e9 for stamp_ns, delay_s in arrivals}


def _nearest(stamps: np.ndarray, partners: np.ndarray) -> np.ndarray:
    """(N,) nanoseconds from each of ``stamps`` to the nearest of ``partners``, both ascending."""
    after = np.searchsorted(partners, stamps)
    neighbors = np.clip([after - 1, after], 0, len(partners) - 1)
    return np.abs(partners[neighbors] - stamps).min(axis=0)


def check_rate(seen: Observation) -> Iterator[Finding]:
    """``rate-low``, ``rate-uneven`` of the images."""
    for role, topic in seen.received().items():
        period_s = topic.period_s
        if period_s is None or role == "camera_info":
            continue

        if 1 / period_s < LOWEST_RATE_HZ:
            what = (
                f"'{topic.topic}' ({role}) has {1 / period_s:.1f} images a second, expected at"
                f" least {LOWEST_RATE_HZ:g}"
            )
            advice = (
                "raise the frame rate, lower the resolution, or use a faster link (USB 3): tracks"
                " and actions need a steady stream"
            )
            yield Finding("rate-low", what, advice)

        if (fraction := _lost_fraction(topic, period_s)) > _MANY:
            what = (
                f"about {fraction:.0%} of the images of '{topic.topic}' ({role}) are missing"
                " between others"
            )
            advice = (
                "the link, the disk of the recorder or the driver drops images: see the other"
                " findings, and the recorder's cache size"
            )
            yield Finding("rate-uneven", what, advice)


def _lost_fraction(topic: TopicSeen, period_s: float) -> float:
    """Fraction of the images, of all that there should be, that are missing in long gaps."""
    steps = np.diff(topic.stamps_ns) * 1e-9 / period_s
    lost = (np.rint(steps[steps > _LONG_GAP]) - 1).sum()
    return float(lost / (lost + len(topic.stamps_ns)))


def _s(nanoseconds: float) -> str:
    return f"{nanoseconds * 1e-9:.3f} s"
