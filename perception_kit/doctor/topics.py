# SPDX-License-Identifier: Apache-2.0
"""Chooses the topics of a camera by role, and of a running one the transport of its images."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from perception_kit.bags.bag import BagError, BagTopic
from perception_kit.bags.camera_streams import played_type
from perception_kit.bags.camera_topics import find_camera_topics
from perception_kit.camera_config import IMAGE_TRANSPORTS
from perception_kit.doctor.observation import EXPECTED_TYPES
from perception_kit.ros.image_transport import image_topic_name, raw_topic


def choose_topics(
    types: Mapping[str, Sequence[str]],
    given: Mapping[str, str],
    encoding_of: Callable[[str], str | None] = lambda topic: None,
) -> tuple[dict[str, str], str]:
    """Topic names by role, and why missing roles could not be found (empty where none is missing).

    ``types`` are the type names of each topic that exists. A topic that is ``given`` for a role is
    taken as it is, even where it does not exist; the others are found as for a replay, where
    names do not decide by ``encoding_of`` a topic.
    """
    if len(given) == len(EXPECTED_TYPES):
        return dict(given), ""

    known = {name: BagTopic(names[0], 1) for name, names in types.items()}
    usable = {
        role: name
        for role, name in given.items()
        if name in known and played_type(known[name].type_name) == EXPECTED_TYPES[role]
    }
    try:
        found = find_camera_topics(
            known,
            color=usable.get("color"),
            depth=usable.get("depth"),
            camera_info=usable.get("camera_info"),
            encoding_of=encoding_of,
        )
    except BagError as error:
        # Where a given topic is not usable, that is the fault, which other checks find.
        return dict(given), str(error) if len(usable) == len(given) else ""
    return vars(found) | dict(given), ""


def transported_topic(
    role: str, name: str, published: Collection[str], listened: Collection[str]
) -> tuple[str, str]:
    """Topic and transport by which the images of ``name`` (raw, or compressed of it) come.

    Of the topics that are ``published``, the one that a node has ``listened`` to goes first, and
    the raw one before the compressed one. Where none is, ``name`` is taken as it is, and so are
    other roles than images.
    """
    if role == "camera_info":
        return name, "raw"
    raw = raw_topic(name)
    topics = [(image_topic_name(raw, role, kind), kind) for kind in IMAGE_TRANSPORTS]
    there = [entry for entry in topics if entry[0] in published]
    heard = [entry for entry in there if entry[0] in listened]
    return (heard or there or [(name, "raw")])[0]
