# SPDX-License-Identifier: Apache-2.0
"""Do the stamps grow, belong together and come often enough?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from perception_kit.doctor.observation import Finding, Observation, TopicSeen

LOWEST_RATE_HZ = 5.0
_MANY = 0.1  # share of the frames from which on a fault is worth a word
_LONG_GAP = 2.5  # in median periods
_CLOCK_S = 1.0


def check_stamps(seen: Observation) -> Iterator[Finding]:
    """``stamp-zero``, ``stamp-duplicate``, ``stamp-backward``, ``stamp-clock``."""
    for role, topic in seen.usable():
        steps = np.diff(topic.stamps_ns)
        where = f"'{topic.topic}' ({role})"
        if not any(topic.stamps_ns):
            yield Finding(
                "stamp-zero",
                f"all stamps of {where} are 0",
                "let the driver stamp its images with the time of exposure",
            )
            continue
        if same := int((steps == 0).sum()):
            advice = (
                "two publishers on one topic, or a driver that repeats frames: such frames are"
                " dropped"
            )
            yield Finding(
                "stamp-duplicate",
                f"{where} has {same} messages with the stamp of the one before",
                advice,
            )
        if (steps < 0).any():
            advice = (
                "a bag that loops, a clock that was set, or two publishers: the nodes start over"
                " each time"
            )
            yield Finding(
                "stamp-backward",
                f"stamps of {where} go back {int((steps < 0).sum())} times, by up to"
                f" {_s(-steps.min())}",
                advice,
            )
        if (
            not seen.simulated_time
            and topic.delays_s
            and abs(delay := float(np.median(topic.delays_s))) > _CLOCK_S
        ):
            advice = (
                "synchronise the clocks of camera and machines (chrony), or use use_sim_time with a"
                " played bag: latencies are wrong"
            )
            yield Finding(
                "stamp-clock",
                f"stamps of {where} are {delay:.1f} s behind this machine's clock",
                advice,
            )


def check_gaps(seen: Observation) -> Iterator[Finding]:
    """``stamp-gap``: colour images without depth or camera information within slop."""
    if "color" not in dict(seen.usable()):
        return
    color = np.sort(seen.topics["color"].stamps_ns)
    for role in ("depth", "camera_info"):
        if role not in dict(seen.usable()):
            continue
        partner = np.sort(seen.topics[role].stamps_ns)
        inside = (
            color[(color >= partner[0]) & (color <= partner[-1])]
            if len(color) > 2 and len(partner) > 1
            else color
        )
        gaps = _nearest(inside, partner)
        lonely = float((gaps > seen.slop_s * 1e9).mean()) if len(gaps) else 1.0
        if lonely > _MANY:
            typical = (
                f"typically {_s(np.median(gaps))}" if len(gaps) else "they do not overlap in time"
            )
            yield Finding(
                "stamp-gap",
                f"{lonely:.0%} of the colour images have no {role} within slop = {seen.slop_s} s"
                f" ({typical} apart): they get no poses",
                "let the driver synchronise its streams at one rate; if they are just shifted,"
                " raise the parameter slop of pose6d_node",
            )


def _nearest(stamps: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(N,) nanoseconds from each of ``stamps`` to the nearest of ``others``, both ascending."""
    after = np.searchsorted(others, stamps)
    neighbors = np.stack(
        [np.clip(after - 1, 0, len(others) - 1), np.clip(after, 0, len(others) - 1)]
    )
    return np.abs(others[neighbors] - stamps).min(axis=0)


def check_rate(seen: Observation) -> Iterator[Finding]:
    """``rate-low``, ``rate-uneven`` of the images."""
    for role, topic in seen.usable():
        if topic.period_s is None or role == "camera_info":
            continue
        if 1 / topic.period_s < LOWEST_RATE_HZ:
            advice = (
                "raise the frame rate, lower the resolution, or use a faster link (USB 3): tracks"
                " and actions need a steady stream"
            )
            what = (
                f"'{topic.topic}' ({role}) has {1 / topic.period_s:.1f} images a second, expected"
                f" at least {LOWEST_RATE_HZ:g}"
            )
            yield Finding("rate-low", what, advice)
        if (fraction := _lost_fraction(topic)) > _MANY:
            advice = (
                "the link, the disk of the recorder or the driver drops images: see the other"
                " findings, and the recorder's cache size"
            )
            yield Finding(
                "rate-uneven",
                f"about {fraction:.0%} of the images of '{topic.topic}' ({role}) are missing between"
                " others",
                advice,
            )


def _lost_fraction(topic: TopicSeen) -> float:
    """Share of images that should be in the long gaps, of all that should be there."""
    steps = np.diff(topic.stamps_ns) * 1e-9 / topic.period_s
    lost = (np.rint(steps[steps > _LONG_GAP]) - 1).sum()
    return float(lost / (lost + len(topic.stamps_ns)))


def _s(nanoseconds: float) -> str:
    return f"{nanoseconds * 1e-9:.3f} s"
