# SPDX-License-Identifier: Apache-2.0
"""Which classes of an action model raise the fall alarm, and what is odd about the choice."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from perception_kit.colors import FALL_LABEL, LYING_LABEL

_FALL = re.compile(r"fall|fell", re.IGNORECASE)
_NO_FALL = re.compile(r"\b(no|not|non|never|without)[ _-]*fall", re.IGNORECASE)
_NAMED_CLASSES = 8


def default_alarm_classes(class_names: Iterable[str]) -> tuple[str, ...]:
    """Those of a model that does not name any: the class "falling", where there is one."""
    return tuple(name for name in class_names if name == FALL_LABEL)


def default_lying_classes(class_names: Iterable[str]) -> tuple[str, ...]:
    """Those of a model that does not name any: the class "lying", where there is one."""
    return tuple(name for name in class_names if name == LYING_LABEL)


def check_lying_classes(
    class_names: Sequence[str], lying_classes: Sequence[str], alarm_classes: Sequence[str]
) -> None:
    """Raises ValueError where a class that confirms a fall is none of the model, or raises it."""
    if unknown := [name for name in lying_classes if name not in class_names]:
        raise ValueError(
            f"the lying classes {unknown} are none of the classes {_listed(class_names)}"
        )
    if both := [name for name in lying_classes if name in alarm_classes]:
        raise ValueError(f"{both} cannot both raise the fall alarm and confirm it")


def check_alarm_classes(class_names: Sequence[str], alarm_classes: Sequence[str]) -> None:
    """Raises ValueError where an alarm class is no class of the model.

    It is raised, too, where the class "falling" is no alarm class: this label says that the alarm
    is on.
    """
    if unknown := [name for name in alarm_classes if name not in class_names]:
        raise ValueError(
            f"the alarm classes {unknown} are none of the classes {_listed(class_names)}"
        )
    if FALL_LABEL in class_names and FALL_LABEL not in alarm_classes:
        raise ValueError(
            f"the alarm classes {list(alarm_classes)} lack '{FALL_LABEL}': this label says that the"
            f" alarm is on, so name the class '{FALL_LABEL}', too, or rename it"
        )


def alarm_warning(class_names: Sequence[str], alarm_classes: Sequence[str]) -> str | None:
    """What to tell a user whose model has no fall alarm, or leaves out a class that looks like one.

    None where nothing is odd.
    """
    similar = [
        name
        for name in class_names
        if name not in alarm_classes and _FALL.search(name) and not _NO_FALL.search(name)
    ]
    if alarm_classes and not similar:
        return None

    if alarm_classes:
        text = (
            f"the fall alarm is raised by {_listed(alarm_classes)}, but not by {_listed(similar)}"
        )
    else:
        text = f"there is no fall alarm: none of the classes {_listed(class_names)} raises it"
    options = " ".join(f"--alarm-class '{name}'" for name in (*alarm_classes, *similar))
    return (
        f"{text}; choose by {options or '--alarm-class NAME'} of actionrec_node.train, or of"
        " actionrec_node.convert for a model that is trained"
    )


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:_NAMED_CLASSES])
    return shown + (f" and {len(names) - _NAMED_CLASSES} more" if names[_NAMED_CLASSES:] else "")
