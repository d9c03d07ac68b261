# SPDX-License-Identifier: Apache-2.0
"""What got better and what worse from one replay of a bag to another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from perception_kit.evaluation.run import ReplayRun, RunError
from perception_kit.evaluation.scores import (
    NOT_KNOWN,
    Score,
    action_scores,
    class_scores,
    main_scores,
)
from perception_kit.report.problems import badness, describe_problems, worst_frames

_FRAMES = 12
_OWN_SETTINGS = {
    "settings.bag",
    "settings.out",
}  # where things are says nothing about how they were judged


@dataclass(frozen=True)
class Change:
    """The same score of both runs; ``of`` is its class, "" for all."""

    of: str
    first: Score
    second: Score

    @property
    def difference(self) -> float | None:
        """Second minus first; None where one of them is not known."""
        known = self.first.value is not None and self.second.value is not None
        return self.second.value - self.first.value if known else None

    @property
    def verdict(self) -> str:
        """``better``, ``worse``, ``same``, or "" where nobody can say."""
        if self.difference is None or not self.first.better:
            return ""
        gain = self.difference * self.first.better
        return "same" if self.first.text == self.second.text else "better" if gain > 0 else "worse"

    @property
    def difference_text(self) -> str:
        """The difference as people read it, with its sign."""
        if self.difference is None:
            return NOT_KNOWN
        return ("+" if self.difference >= 0 else "−") + self.first.form.format(abs(self.difference))

    def as_json(self) -> dict[str, Any]:
        """For ``compare.json``."""
        values = {
            "first": self.first.value,
            "second": self.second.value,
            "difference": self.difference,
            "verdict": self.verdict,
        }
        return {"of": self.of, "part": self.first.part, "name": self.first.name, **values}


@dataclass(frozen=True)
class FrameChange:
    """A frame of both runs: its index in each, what is wrong in each, and by how many mistakes the
    second is worse.
    """

    number: int
    seconds: float
    first_index: int
    second_index: int
    first_problems: list[str]
    second_problems: list[str]
    worse_by: float

    def as_json(self) -> dict[str, Any]:
        """For ``compare.json``."""
        problems = {"first": self.first_problems, "second": self.second_problems}
        return {
            "number": self.number,
            "seconds": round(self.seconds, 4),
            "worse_by": self.worse_by,
            **problems,
        }


@dataclass(frozen=True)
class Comparison:
    """Two runs, their scores side by side, and the frames in which they differ most, those that
    differ most first.

    ``causes`` are the settings, parameters, model files and versions that differ: name, value of
    the first, value of the second.
    """

    first: ReplayRun
    second: ReplayRun
    changes: list[Change]
    frames: list[FrameChange]
    causes: list[tuple[str, str, str]]

    def as_json(self) -> dict[str, Any]:
        """Contents of ``compare.json``."""
        return {
            "first": str(self.first.folder),
            "second": str(self.second.folder),
            "causes": [
                {"name": name, "first": first, "second": second}
                for name, first, second in self.causes
            ],
            "changes": [change.as_json() for change in self.changes],
            "frames": [frame.as_json() for frame in self.frames],
        }


def compare_runs(first: ReplayRun, second: ReplayRun) -> Comparison:
    """Compare two replays of the same recording.

    Raises RunError where they have no frame in common.
    """
    changes = _changes("", main_scores(first), main_scores(second))
    for scores_of in (class_scores, action_scores):
        before, after = scores_of(first), scores_of(second)
        for name in sorted(before.keys() & after.keys()):
            changes += _changes(name, before[name], after[name])
    return Comparison(
        first, second, changes, _frame_changes(first, second), _causes(first.config, second.config)
    )


def _causes(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    before, after = dict(_flat(first)), dict(_flat(second))
    names = [
        name
        for name in {**before, **after}
        if name not in _OWN_SETTINGS and before.get(name) != after.get(name)
    ]
    return [(name, before.get(name, NOT_KNOWN), after.get(name, NOT_KNOWN)) for name in names]


def _flat(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Each value of a nested ``config`` as text, with its path as ``part.node.parameter``."""
    for key, value in config.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", NOT_KNOWN if value is None else str(value)


def _changes(of: str, first: Sequence[Score], second: Sequence[Score]) -> list[Change]:
    return [
        Change(of, one, other)
        for one, other in zip(first, second, strict=True)
        if (one.value, other.value) != (None, None)
    ]


def _frame_changes(first: ReplayRun, second: ReplayRun) -> list[FrameChange]:
    """The frames with the largest difference in mistakes, and among equal ones those whose mistakes
    are others.
    """
    index_of = {frame.stamp_ns: index for index, frame in enumerate(second.frames)}
    shared = [
        (index, index_of[frame.stamp_ns])
        for index, frame in enumerate(first.frames)
        if frame.stamp_ns in index_of
    ]
    if not shared:
        raise RunError(
            f"'{first.folder}' ({first.bag_name}, {len(first.frames)} frames) and '{second.folder}'"
            f" ({second.bag_name}, {len(second.frames)} frames) have no stamp in common: compare"
            " two replays of the same bag"
        )
    found = [_frame_change(first, second, *pair) for pair in shared]
    scores = [
        abs(one.worse_by) + 0.5 * (one.first_problems != one.second_problems) for one in found
    ]
    return [found[index] for index in worst_frames(scores, [one.seconds for one in found], _FRAMES)]


def _frame_change(
    first: ReplayRun, second: ReplayRun, first_index: int, second_index: int
) -> FrameChange:
    one, other = first.frames[first_index], second.frames[second_index]
    problems = describe_problems(one), describe_problems(other)
    return FrameChange(
        one.number,
        first.seconds[first_index],
        first_index,
        second_index,
        *problems,
        badness(other) - badness(one),
    )
