# SPDX-License-Identifier: Apache-2.0
"""Which topics play the roles of a camera, as far as that can be known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from perception_kit.bags.bag import BagError, BagTopic
from perception_kit.bags.camera_topics import find_camera_topics
from perception_kit.doctor.observation import EXPECTED_TYPES


def choose_topics(
    types: Mapping[str, Sequence[str]], given: Mapping[str, str]
) -> tuple[dict[str, str], str]:
    """Topic names by role, and why the roles that are missing could not be found (empty where none
    is).

    ``types`` are the type names of each topic that is there. A topic that is ``given`` for a role
    is taken as it is, also where it is not there; the others are found as for a replay.
    """
    chosen = dict(given)
    if len(chosen) == len(EXPECTED_TYPES):
        return chosen, ""
    known = {name: BagTopic(names[0], 1) for name, names in types.items()}
    usable = {
        role: name
        for role, name in given.items()
        if name in known and known[name].type_name == EXPECTED_TYPES[role]
    }
    try:
        found = vars(find_camera_topics(known, **usable))
    except BagError as error:
        return chosen, (
            str(error) if len(usable) == len(given) else ""
        )  # else the given topic is the fault
    return found | chosen, ""
