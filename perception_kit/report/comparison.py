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
_OTHER_MISTAKES = 0.5  # less than one mistake more: such frames come after the others
# Where things are says nothing about how they were evaluated.
_OWN_SETTINGS = {"settings.bag", "settings.out"}


@dataclass(frozen=True)
class Change:
    """The same score of both runs; ``of`` is its class, "" for all."""

    of: str
    first: Score
    second: Score

    @property
    def difference(self) -> float | None:
        """Second minus first; None where one of them is not known."""
        if self.first.value is None or self.second.value is None:
            return None
        return self.second.value - self.first.value

    @property
    def verdict(self) -> str:
        """``better``, ``worse``, ``same``, or "" where nobody can say."""
        if self.difference is None or not self.first.better:
            return ""
        if self.first.text == self.second.text:
            return "same"
        return "better" if self.difference * self.first.better > 0 else "worse"

    @property
    def difference_text(self) -> str:
        """The difference as people read it, with its sign."""
        if self.difference is None:
            return NOT_KNOWN
        return ("+" if self.difference >= 0 else "−") + self.first.form.format(abs(self.difference))

    @property
    def gain(self) -> float:
        """Relative to the larger of the two values, by how much the second is better.

        0 where one of them is not known, or both are 0.
        """
        if self.first.value is None or self.second.value is None:
            return 0.0
        largest = max(abs(self.first.value), abs(self.second.value))
        difference = self.second.value - self.first.value
        return self.first.better * difference / largest if largest else 0.0

    def as_json(self) -> dict[str, Any]:
        """For ``compare.json``."""
        return {
            "of": self.of,
            "part": self.first.part,
            "name": self.first.name,
            "first": self.first.value,
            "second": self.second.value,
            "difference": self.difference,
            "verdict": self.verdict,
        }


@dataclass(frozen=True)
class FrameChange:
    """A frame of both runs: its index in each and what is wrong in each.

    The second has ``worse_by`` mistakes more.
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
        return {
            "number": self.number,
            "seconds": round(self.seconds, 4),
            "worse_by": self.worse_by,
            "first": self.first_problems,
            "second": self.second_problems,
        }


@dataclass(frozen=True)
class Comparison:
    """Two runs, their scores side by side, and the frames that differ most, the most first.

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
        first,
        second,
        changes,
        frames=_frame_changes(first, second),
        causes=_causes(first.config, second.config),
    )


def compare_with_first(runs: Sequence[ReplayRun]) -> list[Comparison]:
    """Every run but the first compared with the first.

    Raises RunError as ``compare_runs`` does.
    """
    first, *others = runs
    return [compare_runs(first, other) for other in others]


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
        Change(of, before, after)
        for before, after in zip(first, second, strict=True)
        if (before.value, after.value) != (None, None)
    ]


def _frame_changes(first: ReplayRun, second: ReplayRun) -> list[FrameChange]:
    """The frames with the largest difference in mistakes.

    Frames with as many mistakes in both runs, but other ones, come after these.
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

    changes = [_frame_change(first, second, *pair) for pair in shared]
    weights = [
        abs(change.worse_by) + _OTHER_MISTAKES * (change.first_problems != change.second_problems)
        for change in changes
    ]
    seconds = [change.seconds for change in changes]
    return [changes[index] for index in worst_frames(weights, seconds, _FRAMES)]


def _frame_change(
    first: ReplayRun, second: ReplayRun, first_index: int, second_index: int
) -> FrameChange:
    before, after = first.frames[first_index], second.frames[second_index]
    return FrameChange(
        before.number,
        first.seconds[first_index],
        first_index,
        second_index,
        describe_problems(before),
        describe_problems(after),
        worse_by=badness(after) - badness(before),
    )
