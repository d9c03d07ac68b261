# SPDX-License-Identifier: Apache-2.0
"""The contents of a replay's ``metrics.json``, typed.

None is what nobody knows. The order of the fields is that of the keys in the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields, is_dataclass
from functools import cache
from numbers import Real
from types import NoneType, UnionType
from typing import Any, ClassVar, Protocol, TypeVar, get_args, get_origin, get_type_hints


class _Dataclass(Protocol):
    """Any dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


Schema = TypeVar("Schema", bound=_Dataclass)
# What the value of a field of a type is an instance of.
_VALUE_TYPES: dict[Any, type] = {int: Real, float: Real, str: str, bool: bool}


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
    read. Raises TypeError for a missing key without a default, for a value of another type, and for
    anything but an object.
    """
    if not isinstance(content, Mapping):
        keys = ", ".join(map(_key, fields(schema)))
        raise TypeError(f"expected an object with the keys {keys}, got {content!r:.80}")

    types = _types(schema)
    values = {}
    for item in fields(schema):
        if (key := _key(item)) in content:
            values[item.name] = _read(types[item.name], content[key], key)
    return schema(**values)


@cache
def _types(schema: type[_Dataclass]) -> dict[str, Any]:
    """Type of each field by its name; to find them takes long."""
    return get_type_hints(schema)


def _key(item: Field[Any]) -> str:
    """Key of a field: its name, unless its metadata has another one."""
    return str(item.metadata.get("key", item.name))


def _read(expected: Any, content: Any, key: str) -> Any:
    """``content`` with the dataclasses that the type ``expected`` of ``key`` has in it."""
    kinds = get_args(expected) if isinstance(expected, UnionType) else (expected,)
    if content is None and NoneType in kinds:
        return None
    [kind] = [kind for kind in kinds if kind is not NoneType]

    # What holds values of its own.
    if is_dataclass(kind) and isinstance(kind, type):
        return from_json(kind, content)
    if get_origin(kind) is dict and isinstance(content, Mapping):
        return {name: _read(get_args(kind)[1], value, key) for name, value in content.items()}
    if get_origin(kind) is list and isinstance(content, list):
        return [_read(get_args(kind)[0], value, key) for value in content]

    # Single values, also of NumPy.
    if isinstance(content, _VALUE_TYPES.get(kind, ())):
        return content
    raise TypeError(f"'{key}' must be {getattr(kind, '__name__', kind)}, got {content!r:.80}")


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
