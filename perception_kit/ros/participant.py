# SPDX-License-Identifier: Apache-2.0
"""Gives every start of a node DDS ports of its own.

Fast DDS takes the first free number, which is that of a node that was killed a moment ago. Others
go on writing to that one's shared memory until they miss it, and make it anew whenever they do: a
busy machine can leave the new node and the others with different memory of one name. From then on
the node receives nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from xml.etree import ElementTree

from perception_kit.budgets import regular
from perception_kit.ros.shared_memory import SHARED_MEMORY, port_name
from perception_kit.ros.transport import PROFILE_VARIABLES, profile_path
from perception_kit.temporary import temporary_folder

# Numbers of participants: the first are left to those that count up from 0, and config/fastdds.xml
# lets nodes that must not use multicast look for 32 of them.
_FIRST, _COUNT = 8, 24
_LAST_DOMAIN = 232  # the ports of later ones are too high


def domain_of(environment: Mapping[str, str]) -> int:
    """The domain of ROS. Raises ValueError for what is none: Fast DDS would end the process."""
    text = environment.get("ROS_DOMAIN_ID") or "0"
    if not text.isdecimal() or int(text) > _LAST_DOMAIN:
        raise ValueError(f"ROS_DOMAIN_ID is {text[:20]!r}, expected 0 to {_LAST_DOMAIN}")
    return int(text)


def free_participant(domain: int, start: int, folder: Path = SHARED_MEMORY) -> int:
    """A number of a participant whose port nobody has left in shared memory; ``start`` spreads."""
    numbers = [_FIRST + (start + step) % _COUNT for step in range(_COUNT)]
    unused = (n for n in numbers if not (folder / port_name(domain, n)).exists())
    return next(unused, numbers[0])


def with_participant(profile: Path, number: int) -> bytes:
    """A profile of Fast DDS in which the default participant has a number.

    Raises ParseError for what is no XML.
    """
    root = ElementTree.parse(regular(profile)).getroot()
    space = root.tag[: root.tag.find("}") + 1]  # as {http://…}
    ElementTree.register_namespace("", space.strip("{}"))
    for rtps in root.iterfind(f".//{space}participant[@is_default_profile='true']/{space}rtps"):
        if rtps.find(f"{space}participantID") is None:
            ElementTree.SubElement(rtps, f"{space}participantID").text = str(number)
    return ElementTree.tostring(root)


@contextmanager
def own_ports() -> Iterator[None]:
    """The participant that is made in the block has ports that no other process has or had.

    Where there is no profile, or it cannot be read or copied (a full disk), Fast DDS chooses.
    Raises ValueError for a domain that there is not.
    """
    domain = domain_of(os.environ)
    profile = profile_path(os.environ)
    before = {name: os.environ[name] for name in PROFILE_VARIABLES if name in os.environ}
    with ExitStack() as files:
        if profile is not None:
            number = free_participant(domain, os.getpid())
            with suppress(OSError, ElementTree.ParseError):
                path = files.enter_context(temporary_folder("ports")) / profile.name
                path.write_bytes(with_participant(profile, number))
                os.environ.update(dict.fromkeys(before, str(path)))
        try:
            yield
        finally:
            os.environ.update(before)
