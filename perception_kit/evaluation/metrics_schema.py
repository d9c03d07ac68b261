# SPDX-License-Identifier: Apache-2.0
"""The contents of a replay's ``metrics.json``, typed.

None is what nobody knows. The order of the fields is that of the keys in the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields, is_dataclass
from types import UnionType
from typing import Any, ClassVar, Protocol, TypeVar, get_args, get_origin, get_type_hints


class _Dataclass(Protocol):
    """Any dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


Schema = TypeVar("Schema", bound=_Dataclass)


def to_json(content: Any) -> Any:
    """Dataclasses, wherever they are in ``content``, as dictionaries."""
    if is_dataclass(content):
        return {_key(item): to_json(getattr(content, item.name)) for item in fields(content)}
    if isinstance(content, Mapping):
        return {key: to_json(value) for key, value in content.items()}
    return content


def from_json(schema: type[Schema], content: Mapping[str, Any]) -> Schema:
    """The dataclass ``schema`` that ``to_json`` turned into ``content``.

    Unknown keys are left out, and missing ones have their default: files of other versions can be
    read. Raises TypeError for a missing key without a default, and for anything but an object.
    """
    if not isinstance(content, Mapping):
        raise TypeError(f"expected an object with the keys of {schema.__name__}, got {content!r}")

    types = get_type_hints(schema)
    values = {
        item.name: _read(types[item.name], content[_key(item)])
        for item in fields(schema)
        if _key(item) in content
    }
    return schema(**values)


def _key(item: Field[Any]) -> str:
    """Key of a field: its name, unless its metadata has another one."""
    return str(item.metadata.get("key", item.name))


def _read(expected: Any, content: Any) -> Any:
    """``content`` with the dataclasses that the type ``expected`` has in it."""
    if content is None:
        return None
    if isinstance(expected, UnionType):
        [expected] = [kind for kind in get_args(expected) if kind is not type(None)]

    if is_dataclass(expected) and isinstance(expected, type):
        return from_json(expected, content)
    if get_origin(expected) is dict and isinstance(content, Mapping):
        return {key: _read(get_args(expected)[1], value) for key, value in content.items()}
    return content


@dataclass(frozen=True)
class SegmentationScores:
    """COCO mask average precision: over IoU 0.5:0.05:0.95, and at IoU 0.5."""

    map: float | None = None
    map50: float | None = None


@dataclass(frozen=True)
class PoseScores:
    """ADD(-S) recall at a tenth of the diameter, and ADD-S AUC up to 0.1 m; a miss counts."""

    recall: float | None = field(default=None, metadata={"key": "recall_0.1d"})
    adds_auc: float | None = None


@dataclass(frozen=True)
class TrackingScores:
    """CLEAR MOT, IDF1 and HOTA, fractions of 1 and counts."""

    mota: float | None = None
    idf1: float | None = None
    hota: float | None = None
    id_switches: int | None = None
    fragments: int | None = None


@dataclass(frozen=True)
class ActionClassScores:
    """Scores of one action; ``support`` labeled frames."""

    precision: float | None
    recall: float | None
    f1: float | None
    support: int


@dataclass(frozen=True)
class ActionScores:
    """Fraction of labeled frames with the right action, the same by class, and the fall alarm."""

    frame_accuracy: float | None = None
    per_class: dict[str, ActionClassScores] = field(default_factory=dict)
    fall_delay_s: float | None = None


@dataclass(frozen=True)
class InstanceCounts:
    """Ground-truth instances that count, and how many of them were found."""

    total: int
    found: int

    @property
    def found_fraction(self) -> float | None:
        """None where nothing counts."""
        return self.found / self.total if self.total else None


@dataclass(frozen=True)
class FrameCounts:
    """Frames in the bag, with all results, and without."""

    input: int
    processed: int
    dropped: int


@dataclass(frozen=True)
class Percentiles:
    """Latencies in milliseconds."""

    p50: float
    p95: float
    max: float


@dataclass(frozen=True)
class ClockStatistics:
    """How a replay by the clock went.

    ``unanswered`` frames by stage; ``dropped`` and lost frames by node.
    """

    rate: float
    latest_publication_ms: float
    unanswered: dict[str, int]
    dropped: dict[str, dict[str, int]]


@dataclass
class GroundTruthScores:
    """The parts of ``metrics.json`` that need ground truth; None where there is none."""

    segmentation: SegmentationScores | None = None
    pose: PoseScores | None = None
    tracking: TrackingScores | None = None
    actions: ActionScores | None = None
    instances: InstanceCounts | None = None


@dataclass
class ReplayMetrics(GroundTruthScores):
    """All of ``metrics.json``.

    ``latency_ms`` by stage, from publishing a frame to the result. ``nodes_gone``: why, by node.
    ``realtime`` is None for a replay in lock step.
    """

    frames: FrameCounts = field(kw_only=True)
    latency_ms: dict[str, Percentiles] = field(kw_only=True)
    nodes_gone: dict[str, str] = field(default_factory=dict)
    realtime: ClockStatistics | None = None
