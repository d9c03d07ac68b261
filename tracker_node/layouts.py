# SPDX-License-Identifier: Apache-2.0
"""What the columns after the box mean in the labels of tracking benchmarks, and which rows count.

The first six columns are those of the MOTChallenge everywhere; what follows is not.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from tracker_node.labels import Role
from tracker_node.motchallenge import MotFileError, MotTable

FLAG_COLUMN = 7  # 0 where a label does not count
CLASS_COLUMN = 8
UAVDT_CLASS_COLUMN = 9
PEDESTRIAN = 1
MOT_CLASSES = {
    1: "pedestrian", 2: "person on vehicle", 3: "car", 4: "bicycle", 5: "motorbike",
    6: "non-motorized vehicle", 7: "static person", 8: "distractor", 9: "occluder",
    10: "occluder on the ground", 11: "occluder full", 12: "reflection", 13: "crowd",
}  # fmt: skip
VISDRONE_CLASSES = {
    0: "ignored region", 1: "pedestrian", 2: "people", 3: "bicycle", 4: "car", 5: "van", 6: "truck",
    7: "tricycle", 8: "awning-tricycle", 9: "bus", 10: "motor", 11: "others",
}  # fmt: skip
PEOPLE = ("person", "pedestrian", "people", "human")  # names of labels in CVAT


@dataclass(frozen=True)
class Layout:
    """Columns of labels, numbered from 1.

    ``classes`` names of the class numbers; ``counted`` those that are to be found; tracks on
    ``ignored`` ones are neither right nor wrong, and so is what lies in ``areas``.
    ``others_ignored``: the same for tracks on all other classes, which a benchmark of several
    classes does not hold against this one. ``has_flag``: a 0 in column 7 excludes a label.
    """

    title: str
    class_column: int | None = CLASS_COLUMN
    classes: Mapping[int, str] = field(default_factory=dict)
    counted: Collection[int] = (PEDESTRIAN,)
    ignored: Collection[int] = ()
    areas: Collection[int] = ()
    others_ignored: bool = False
    has_flag: bool = True

    def class_numbers(self, path: Path, table: MotTable) -> np.ndarray:
        """(N,) int64 class of each row; pedestrians where a line is too short to say it.

        Raises MotFileError for a class that is no whole number.
        """
        numbers = np.full(len(table), float(PEDESTRIAN))
        if self.class_column is None or not len(table):
            return numbers.astype(np.int64)

        given = table.length >= self.class_column
        if given.any():
            numbers[given] = table.columns[given, self.class_column - 1]
        broken = np.flatnonzero(~(np.isfinite(numbers) & (numbers == np.round(numbers))))
        if len(broken):
            raise MotFileError(
                f"{path}, line {table.line[broken[0]]}: class {numbers[broken[0]]:g} in column"
                f" {self.class_column}, expected a whole number, {PEDESTRIAN} for pedestrians"
            )
        return numbers.astype(np.int64)

    def roles(self, table: MotTable, classes: np.ndarray) -> np.ndarray:
        """(N,) Role of each row with ``classes`` (N,)."""
        excluded = Role.IGNORED if self.others_ignored else Role.OTHER
        if self.class_column is None:
            excluded = Role.UNUSED  # MOT15 matches tracks with nothing but what counts

        role = np.full(len(table), excluded)
        role[np.isin(classes, list(self.ignored))] = Role.IGNORED
        counted = np.isin(classes, list(self.counted))
        if self.has_flag:
            counted &= table.confidence != 0
        role[counted] = Role.COUNTED
        role[np.isin(classes, list(self.areas))] = Role.AREA
        return role

    def name(self, number: int) -> str:
        """Number and name of a class."""
        return f"{number} {self.classes[number]}" if number in self.classes else str(number)

    def counting(self, path: Path, wanted: Collection[str]) -> Layout:
        """The layout with the classes ``wanted``, numbers or names, as those that count.

        Raises MotFileError for a name that it does not know.
        """
        number_of = {name.lower(): number for number, name in self.classes.items()}
        numbers = set()
        for text in wanted:
            if text.lower() not in number_of and not text.isdecimal():
                known = ", ".join(self.classes.values()) or "none by name: give numbers"
                raise MotFileError(f"{path}: class '{text}' is not known in {self.title}: {known}")
            numbers.add(number_of.get(text.lower(), int(text) if text.isdecimal() else -1))
        if numbers and self.class_column is None:
            raise MotFileError(f"{path} is {self.title}, which has no class column: --classes")
        return replace(
            self,
            counted=frozenset(numbers),
            ignored=frozenset(self.ignored) - numbers,
            areas=frozenset(self.areas) - numbers,
        )


# People that a tracker need not find, and may: on a vehicle, static, distractor (statue, picture),
# reflection.
MOT17 = Layout("MOT16/17", classes=MOT_CLASSES, ignored=(2, 7, 8, 12))
LAYOUTS = {
    "mot15": Layout("MOT15, no classes", class_column=None),
    "mot17": MOT17,
    "mot20": replace(MOT17, title="MOT20", ignored=(2, 6, 7, 8, 12)),
    "cvat": Layout("CVAT's MOT 1.1", counted=(), others_ignored=True),
    "visdrone": Layout(
        "VisDrone",
        classes=VISDRONE_CLASSES,
        counted=range(1, 11),
        areas=(0,),
        others_ignored=True,
    ),
    "uavdt": Layout(
        "UAVDT",
        class_column=UAVDT_CLASS_COLUMN,
        classes={1: "car", 2: "truck", 3: "bus"},
        counted=(1, 2, 3),
        others_ignored=True,
        has_flag=False,
    ),
}


def find_layout(
    path: Path, table: MotTable, chosen: str | None = None, has_identities: bool = True
) -> Layout:
    """The layout that was ``chosen``, else the one that the columns and the folder show.

    ``has_identities``: ids are those of labels, not of detections. Raises MotFileError where the
    columns contradict each other.
    """
    name = chosen or _recognized(path, table, has_identities)
    if name != "cvat":
        return LAYOUTS[name]

    # People count, or the only class; of several others, none is a guess worth making.
    names = _cvat_names(path)
    people = {number for number, label in names.items() if label.lower() in PEOPLE}
    return replace(
        LAYOUTS[name],
        classes=names,
        counted=people or (set(names) if len(names) == 1 else set()),
    )


def _recognized(path: Path, table: MotTable, has_identities: bool) -> str:
    """Name of the layout that the columns of ``table`` have."""
    width = table.columns.shape[1]
    rows = table.columns[table.length == width]
    if width < CLASS_COLUMN or not len(rows):
        return "mot15"

    whole = (rows[:, FLAG_COLUMN - 1 :] == np.round(rows[:, FLAG_COLUMN - 1 :])).all(axis=0)
    extra = [set(column.tolist()) for column in rows[:, FLAG_COLUMN - 1 :].T]
    is_class = bool(whole[1]) and min(extra[1]) >= 0
    if width == 10:
        if is_class and max(extra[1]) <= 11 and extra[2] <= {0, 1} and extra[3] <= {0, 1, 2}:
            return "visdrone"
        if not (is_class and extra[2] == extra[3] == {-1}):
            return "mot15"
    elif width > 10:
        return "mot15"

    varying = _varying_identity(table) if has_identities else None
    if width == UAVDT_CLASS_COLUMN and extra[0] <= {1, 2, 3} and extra[1] <= {1, 2, 3, 4}:
        is_uavdt = extra[2] <= {1, 2, 3} and (varying is not None or max(*extra[0], *extra[2]) > 1)
        if is_uavdt:
            return "uavdt"
    if varying is not None:
        raise MotFileError(
            f"{path}: column {CLASS_COLUMN} changes within the identity {varying}, so it is no"
            f" class: name the layout with --layout {', '.join(LAYOUTS)}"
        )
    if (path.parent / "labels.txt").is_file():
        return "cvat"
    return "mot20" if _is_mot20(path) else "mot17"


def _varying_identity(table: MotTable) -> int | None:
    """An identity whose column 8 is not the same in all rows; ids below 0 are none."""
    known = (table.length >= CLASS_COLUMN) & (table.id >= 0)
    pairs = np.unique(
        np.column_stack([table.id[known], table.columns[known, CLASS_COLUMN - 1]]), axis=0
    )
    identities, counts = np.unique(pairs[:, 0], return_counts=True)
    varying = identities[counts > 1]
    return int(varying[0]) if len(varying) else None


def _is_mot20(path: Path) -> bool:
    """Whether the file lies in a sequence of MOT20, by its folder or ``seqinfo.ini``."""
    folder = path.absolute().parent.parent
    info = folder / "seqinfo.ini"
    named = info.read_text(errors="replace") if info.is_file() else ""
    return folder.name.startswith("MOT20-") or "name=MOT20-" in named


def _cvat_names(path: Path) -> dict[int, str]:
    """Names in ``labels.txt`` beside the labels, by number from 1; empty without the file."""
    try:
        lines = (path.parent / "labels.txt").read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise MotFileError(f"{path.parent / 'labels.txt'} cannot be read: {error}") from error
    return {number: line.strip() for number, line in enumerate(lines, start=1) if line.strip()}
