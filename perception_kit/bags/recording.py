# SPDX-License-Identifier: Apache-2.0
"""What the files of a recording are, and copies of those whose beginning or end is not right."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from perception_kit.bags.mcap_budget import MAX_CHUNK_BYTES, oversized_chunk
from perception_kit.bags.repair import (
    is_unfinished,
    mcap_profile,
    mentions_ros2,
    write_finished,
    write_with_profile,
)
from perception_kit.budgets import regular
from perception_kit.temporary import temporary_folder

# Recordings by the ending of their file
RECORDINGS = {
    ".mcap": "rosbag2 in MCAP, of the profile ros2 or none, also one that was cut off",
    ".db3": "rosbag2 in SQLite",
    ".bag": "ROS 1; its messages are converted",
}
ROS1 = ".bag"
RECORDINGS_HELP = f"a rosbag2 folder, or a {', '.join(RECORDINGS)} file"

# Files that are not read by themselves, by their ending; "" stands for all others
UNREAD_RECORDINGS = {
    ".zstd": "is one compressed file of a recording: give the folder with its metadata.yaml",
    ".active": "is an unfinished ROS 1 recording: 'rosbag reindex' it, and rename it to .bag",
    "": f"is no recording by the ending of its name: give {RECORDINGS_HELP}",
}
# MCAP files of other messages than ROS 2's, by the profile in their header; "" is for all others
FOREIGN_PROFILES = {
    "ros1": (
        "is a ROS 1 recording in MCAP, which is not read: give the .bag file that it was made from,"
        " or convert that: ./run rosbags-convert --src FILE.bag --dst FOLDER"
    ),
    "": (
        "is an MCAP file of the profile '{profile}', not 'ros2': its messages are no ROS 2 messages"
        " (but protobuf, JSON or others); record the topics by 'ros2 bag record --storage mcap', or"
        " convert them with the software that wrote the file"
    ),
}
_LFS_POINTER = b"version https://git-lfs"
_METADATA = "metadata.yaml"


class BagError(ValueError):
    """A bag cannot be read or written; the message says what was found and what to do."""


def readable_recording(path: Path, scratch: ExitStack) -> tuple[Path, list[str]]:
    """The recording as ``rosbags`` reads it, and remarks for the user.

    That is ``path`` itself, the only file in a folder that was not finished, or a copy that lasts
    as long as ``scratch``. Raises BagError for what is no recording of ROS.
    """
    if (path / _METADATA).is_file():
        for file in sorted(path.iterdir()):
            regular(file)
        for file in sorted(path.glob("*.mcap")):
            _check_chunks(file)
        return path, []
    remarks: list[str] = []
    if path.is_dir():
        path, remarks = _only_recording(path)
    _check_file(path)
    _check_chunks(path)

    # An MCAP file of other messages than ROS 2's.
    profile = mcap_profile(path)
    if profile not in (None, "ros2"):
        if profile or not mentions_ros2(path):
            foreign = FOREIGN_PROFILES.get(profile or "", FOREIGN_PROFILES[""])
            raise BagError(f"'{path}' {foreign.format(profile=profile)}")
        copy = _scratch_file(path, scratch)
        write_with_profile(path, copy, "ros2")
        path = copy

    # A file that was cut off: its whole records are copied and ended properly.
    if is_unfinished(path):
        finished = _scratch_file(path, scratch)
        lost = write_finished(path, finished)
        remarks.append(
            f"'{path.name}' was cut off: it is read up to its last whole record, {lost} bytes"
            " after that are lost"
        )
        path = finished
    return path, remarks


def _only_recording(folder: Path) -> tuple[Path, list[str]]:
    """The only file of a folder without metadata, which is read by itself."""
    files = sorted(folder.iterdir())
    recordings = [file for file in files if file.suffix in RECORDINGS]
    if len(recordings) != 1:
        found = [file.name for file in files[:8]]
        raise BagError(
            f"'{folder}' has no {_METADATA} (found {found or 'nothing'}), so it is no"
            " finished rosbag2 folder: run 'ros2 bag reindex' on it, or give the .mcap or"
            " .db3 file itself"
        )
    (path,) = recordings
    if path.suffix == ROS1:  # of ROS 1, which has no metadata
        return path, []
    return path, [
        f"the bag has no {_METADATA}, so its recording was not finished: '{path.name}' is read by"
        " itself"
    ]


def _check_file(path: Path) -> None:
    """Raises BagError for what cannot be a recording."""
    regular(path)
    if path.suffix not in RECORDINGS:
        reason = UNREAD_RECORDINGS.get(path.suffix, UNREAD_RECORDINGS[""])
        raise BagError(f"'{path}' {reason}")
    with path.open("rb") as file:
        if file.read(len(_LFS_POINTER)) == _LFS_POINTER:
            raise BagError(
                f"'{path}' is a pointer of Git LFS, not the recording: fetch it by 'git lfs pull'"
            )


def _check_chunks(path: Path) -> None:
    """Raises BagError for an MCAP file that declares more than there is."""
    if (size := oversized_chunk(path)) is not None:
        raise BagError(
            f"'{path}' declares a chunk of {size} bytes, expected at most {MAX_CHUNK_BYTES}: it is"
            " damaged, or made to fill the memory"
        )


def _scratch_file(path: Path, scratch: ExitStack) -> Path:
    return scratch.enter_context(temporary_folder("bag")) / path.name
