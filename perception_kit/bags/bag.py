# SPDX-License-Identifier: Apache-2.0
"""Reads and writes rosbag2 recordings (SQLite and MCAP) through the ``rosbags`` library.

ROS 1 bags are read, too: their messages are converted to ROS 2's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import cache
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

from rosbags.interfaces import (
    Connection,
    ConnectionExtRosbag2,
    MessageDefinitionFormat,
    Qos,
)
from rosbags.rosbag1 import Reader as Ros1Reader
from rosbags.rosbag2 import (
    CompressionFormat,
    CompressionMode,
    Reader,
    StoragePlugin,
    Writer,
    WriterError,
)
from rosbags.typesys import (
    Stores,
    TypesysError,
    get_types_from_idl,
    get_types_from_msg,
    get_typestore,
)
from rosbags.typesys.store import Typestore

from perception_kit.bags.bounded_decompression import bound_decompression
from perception_kit.bags.recording import RECORDINGS_HELP, ROS1, BagError, readable_recording
from perception_kit.closing import Closing
from perception_kit.resources import PACKAGE, package_folder


class BagMessage(NamedTuple):
    """One decoded message: topic, bag stamp in nanoseconds and ``rosbags`` message object."""

    topic: str
    stamp_ns: int
    message: Any


class RawMessage(NamedTuple):
    """One message as it is stored: topic, type name, bag stamp in nanoseconds and CDR bytes."""

    topic: str
    type_name: str
    stamp_ns: int
    data: bytes | memoryview


@dataclass(frozen=True)
class BagTopic:
    """Type name and number of messages of a recorded topic."""

    type_name: str
    count: int


@cache
def open_typestore() -> Typestore:
    """The message types of ROS 2 Jazzy and of this package.

    Their classes are ``open_typestore().types["sensor_msgs/msg/Image"]``.
    """
    typestore = get_typestore(Stores.ROS2_JAZZY)

    definitions: dict[str, Any] = {}
    for path in sorted((package_folder() / "msg").glob("*.msg")):
        definitions.update(get_types_from_msg(path.read_text(), f"{PACKAGE}/msg/{path.stem}"))

    typestore.register(definitions)
    return typestore


class BagReader(Closing):
    """A rosbag2 folder, ``.mcap`` or ``.db3`` file, or a ROS 1 ``.bag`` file, read lazily.

    Topics of any type may be in it: a type that this package does not know is decoded by the
    definition stored in the bag. A recording that was cut off is read as far as it is whole;
    ``remarks`` then says so.

    Use as a context manager. Every method raises BagError for damaged recordings.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not self.path.exists():
            raise BagError(f"bag '{self.path}' does not exist: give {RECORDINGS_HELP}")
        self.remarks: list[str] = []
        self.typestore = open_typestore()
        self._scratch = ExitStack()

        # rosbags, SQLite and the decompressors raise many kinds of errors for damaged files.
        try:
            self._recording, self.remarks = readable_recording(self.path, self._scratch)
            self._reader = self._open()
            self._check_counts()
        except Exception as error:
            self._scratch.close()
            raise error if isinstance(error, BagError) else self._damaged(error) from error

    def _check_counts(self) -> None:
        """Raise ValueError where the metadata of a recording hold other things than numbers."""
        counts = [connection.msgcount for connection in self._reader.connections]
        for value in (*counts, *self.stamps_ns):
            if not isinstance(value, int):
                raise ValueError(f"{value!r:.60} stands where a number is expected")

    @property
    def topics(self) -> dict[str, BagTopic]:
        """Type and message count of every recorded topic, by name."""
        topics: dict[str, BagTopic] = {}
        for connection in sorted(self._reader.connections, key=attrgetter("topic")):
            earlier = topics[connection.topic].count if connection.topic in topics else 0
            topics[connection.topic] = BagTopic(connection.msgtype, earlier + connection.msgcount)
        return topics

    @property
    def stamps_ns(self) -> tuple[int, int]:
        """Bag stamps of the first and the last message in nanoseconds; of an empty bag, zeros."""
        if not self._reader.message_count:
            return 0, 0
        return self._reader.start_time, self._reader.end_time - 1

    def offered_qos(self, topic: str) -> list[Qos]:
        """The QoS of the recorded publishers of ``topic``; empty where the recorder left it out."""
        return [
            qos
            for connection in self._reader.connections
            if connection.topic == topic and isinstance(connection.ext, ConnectionExtRosbag2)
            for qos in connection.ext.offered_qos_profiles
        ]

    def raw_messages(self, topics: Iterable[str]) -> Iterator[RawMessage]:
        """Messages of ``topics`` in the order of their bag stamps, not decoded.

        Topics that were not recorded give nothing. Only one such iteration may be under way.
        """
        return self._read(self._reader, topics)

    def independent_messages(self, topic: str) -> Iterator[RawMessage]:
        """As ``raw_messages`` of one topic, through files of its own.

        So topics can be read beside each other, each at its own pace.
        """
        try:
            reader = self._open()
        except Exception as error:  # see __init__
            raise self._damaged(error) from error
        with closing(reader):
            yield from self._read(reader, [topic])

    def _open(self) -> Reader | Ros1Reader:
        bound_decompression()
        is_ros1 = self._recording.suffix == ROS1
        reader = Ros1Reader(self._recording) if is_ros1 else Reader(self._recording)
        reader.open()
        return reader

    def _read(self, reader: Reader | Ros1Reader, topics: Iterable[str]) -> Iterator[RawMessage]:
        wanted = set(topics)
        connections = [
            connection for connection in reader.connections if connection.topic in wanted
        ]
        if not connections:  # rosbags would read every topic
            return

        for connection in connections:
            self._learn_type(connection)

        count = 0
        try:
            for connection, stamp_ns, data in reader.messages(connections):
                count += 1
                if isinstance(reader, Ros1Reader):
                    yield RawMessage(
                        connection.topic,
                        connection.msgtype,
                        stamp_ns,
                        self.typestore.ros1_to_cdr(data, connection.msgtype),
                    )
                else:
                    yield RawMessage(connection.topic, connection.msgtype, stamp_ns, data)
        except Exception as error:  # see __init__
            raise self._damaged(error, f" after {count} messages") from error

    def messages(self, topics: Iterable[str]) -> Iterator[BagMessage]:
        """Messages of ``topics`` in the order of their bag stamps.

        Numeric arrays are views of the recorded bytes, not copies.
        """
        for raw in self.raw_messages(topics):
            yield BagMessage(raw.topic, raw.stamp_ns, self.decode(raw))

    def decode(self, raw: RawMessage) -> Any:
        """The message object of ``raw``."""
        try:
            return self.typestore.deserialize_cdr(raw.data, raw.type_name)
        except Exception as error:  # see __init__
            where = f" in a message of '{raw.topic}' ({raw.type_name})"
            raise self._damaged(error, where) from error

    def close(self) -> None:
        """Close the files."""
        self._reader.close()
        self._scratch.close()

    def _learn_type(self, connection: Connection) -> None:
        """Check a known type against the recorded one; register an unknown one from the bag."""
        name, definition = connection.msgtype, connection.msgdef

        # A known type must have been recorded in the version that is known.
        if name in self.typestore.types:
            is_ros2 = isinstance(connection.ext, ConnectionExtRosbag2)
            known_digest = self.typestore.hash_rihs01(name) if is_ros2 else connection.digest
            if connection.digest and connection.digest != known_digest:
                raise BagError(
                    f"'{connection.topic}' in bag '{self.path}' was recorded with another version"
                    f" of {name}: record it again, or read it with the version of this package that"
                    " wrote it"
                )
            return

        # The definition of an unknown one is in the bag, at least in MCAP.
        parsers = {
            MessageDefinitionFormat.MSG: lambda: get_types_from_msg(definition.data, name),
            MessageDefinitionFormat.IDL: lambda: get_types_from_idl(definition.data),
        }
        if definition.format not in parsers:
            raise BagError(
                f"bag '{self.path}' holds no definition of type {name} of topic"
                f" '{connection.topic}': record it as MCAP"
            )

        # It comes with the types of its fields, of which some may be known.
        try:
            types = parsers[definition.format]()
            known = self.typestore.types
            self.typestore.register({key: types[key] for key in types if key not in known})
        except TypesysError as error:
            raise BagError(
                f"bag '{self.path}': the definition of {name} of topic '{connection.topic}' is not"
                f" valid: {error}"
            ) from error

    def _damaged(self, error: Exception, where: str = "") -> BagError:
        if self.path.suffix == ROS1:
            return BagError(
                f"ROS 1 bag '{self.path}' cannot be read{where} ({type(error).__name__}: {error}):"
                " it is cut off or damaged; repair it where ROS 1 is installed ('rosbag reindex',"
                " 'rosbag fix'), or record it again"
            )
        if isinstance(error, KeyError) and isinstance(error.args[0], str):
            return BagError(
                f"bag '{self.path}' cannot be read{where}: beside ROS 2 messages it holds others"
                f" ('{error.args[0]}'); leave them out: mcap filter FILE.mcap -o NEW.mcap -y"
                " '/camera/.*'"
            )
        return BagError(
            f"bag '{self.path}' cannot be read{where} ({type(error).__name__}: {error}): it is cut"
            " off, damaged or not a rosbag2 recording; give the .mcap file itself to read what is"
            " there, try 'ros2 bag reindex' (sqlite3), or record it again"
        )


def read_messages(path: str | Path, topics: Iterable[str]) -> Iterator[BagMessage]:
    """Messages of ``topics`` of a bag in the order of their bag stamps. Raises BagError."""
    with BagReader(path) as reader:
        yield from reader.messages(topics)


class BagWriter(Closing):
    """Writes a rosbag2 folder with one MCAP file of zstd-compressed chunks.

    Messages are ``rosbags`` objects, e.g.
    ``open_typestore().types["std_msgs/msg/String"](data="hello")``; their numeric arrays are NumPy
    arrays of the exact dtype. Use as a context manager; raises BagError if ``path`` exists.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.typestore = open_typestore()
        self._connections: dict[str, Connection] = {}

        version = Writer.VERSION_LATEST
        try:
            self._writer = Writer(self.path, version=version, storage_plugin=StoragePlugin.MCAP)
            self._writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
            self._writer.open()
        except (WriterError, OSError) as error:
            raise BagError(
                f"bag '{self.path}' cannot be written ({error}): give a path that does not"
                " exist yet"
            ) from error

    def write(self, topic: str, message: Any, stamp_ns: int) -> None:
        """Append ``message``, whose class decides the type, with a bag stamp in nanoseconds."""
        name = message.__msgtype__
        data = self.typestore.serialize_cdr(message, name)
        self.write_raw(RawMessage(topic, name, stamp_ns, data))

    def write_raw(self, raw: RawMessage) -> None:
        """Append a message that is CDR bytes already."""
        connection = self._connections.get(raw.topic)
        if connection is None:
            connection = self._writer.add_connection(
                raw.topic, raw.type_name, typestore=self.typestore
            )
            self._connections[raw.topic] = connection
        elif connection.msgtype != raw.type_name:
            raise BagError(
                f"topic '{raw.topic}' of bag '{self.path}' has type {connection.msgtype}, got a"
                f" {raw.type_name}"
            )
        self._writer.write(connection, raw.stamp_ns, raw.data)

    def close(self) -> None:
        """Write the index and the metadata file."""
        self._writer.close()
