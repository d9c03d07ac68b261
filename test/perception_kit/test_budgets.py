# SPDX-License-Identifier: Apache-2.0
"""Files that ask for more than anything that is meant are refused before memory is taken."""

from __future__ import annotations

import json
import os
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from perception_kit.bags.bag import BagError, BagReader
from perception_kit.budgets import BudgetError, check_picture, parse_json, parse_yaml
from perception_kit.datasets.files import DatasetError, read_image, read_json, read_yaml
from perception_kit.networks.model_metadata import ModelFileError, read_metadata

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="ascii"), max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc"), inner, max_size=4),
    max_leaves=30,
)


def png(width: int, height: int) -> bytes:
    """A PNG that declares a size and holds next to nothing."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(bytes(100))), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@given(plain)
def test_what_is_meant_is_read(value: object) -> None:
    assert parse_json(json.dumps(value)) == value
    assert parse_yaml(yaml.safe_dump(value)) == value


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, "{a: " * 50_000, "- " * 50_000, "\n".join(" " * k + "a:" for k in range(999))],
    ids=["lists", "maps", "blocks", "indents"],
)
def test_deep_yaml_is_refused_and_does_not_end_the_process(text: str) -> None:
    with pytest.raises(yaml.YAMLError, match="nested more than 100 levels"):
        parse_yaml(text)


@pytest.mark.parametrize("line_break", ["\x85", "\u2028", "\u2029"])
def test_deep_yaml_is_refused_whatever_ends_its_lines(line_break: str) -> None:
    with pytest.raises(yaml.YAMLError, match="nested more than 100 levels"):
        parse_yaml(line_break.join(" " * k + "a:" for k in range(200)))


def test_deep_yaml_is_refused_in_another_encoding() -> None:
    with pytest.raises(yaml.YAMLError, match="nested more than 100 levels"):
        parse_yaml(("- " * 50_000).encode("utf-16"))


def test_deep_json_is_refused() -> None:
    with pytest.raises(json.JSONDecodeError, match="nested too deeply"):
        parse_json("[" * 200_000 + "]" * 200_000)


@pytest.mark.parametrize("count", [8, 30])
def test_yaml_that_repeats_itself_without_end_is_refused(count: int) -> None:
    levels = [f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 9)}]" for k in range(1, count)]
    with pytest.raises(yaml.YAMLError, match="aliases stand for more than 100000 values"):
        parse_yaml("\n".join(["a0: &a0 x", *levels]))


@pytest.mark.parametrize("text", ["&a [*a]", "&a {b: [*a]}", "[&a x, &a [*a]]"])
def test_yaml_that_is_part_of_itself_is_refused(text: str) -> None:
    with pytest.raises(yaml.YAMLError, match="aliases stand for more than"):
        parse_yaml(text)


def test_aliases_that_are_meant_are_read() -> None:
    text = "base: &base {a: 1}\n" + "".join(f"run{k}: {{<<: *base, b: {k}}}\n" for k in range(500))
    assert parse_yaml(text)["run499"] == {"a": 1, "b": 499}


@pytest.mark.parametrize("size", [(60_000, 60_000), (2**31 - 1, 1_000)])
def test_a_picture_that_declares_too_many_pixels_is_refused(
    size: tuple[int, int], tmp_path: Path
) -> None:
    path = tmp_path / "large.png"
    path.write_bytes(png(*size))
    for picture in (path, path.read_bytes()):
        with pytest.raises(BudgetError, match="picture"):
            check_picture(picture)
    with pytest.raises(DatasetError, match=r"large\.png"):
        read_image(path, cv2.IMREAD_UNCHANGED)


def test_a_picture_whose_size_is_not_known_before_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "large.hdr"
    path.write_bytes(b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 30000 +X 30000\n")
    for picture in (path, path.read_bytes()):
        with pytest.raises(BudgetError, match="a picture of Radiance"):
            check_picture(picture)


def test_a_picture_that_opencv_refuses_is_named(tmp_path: Path) -> None:
    path = tmp_path / "long.pam"
    lines = ("P7", f"WIDTH {2**21}", "HEIGHT 1", "DEPTH 3", "MAXVAL 255", "TUPLTYPE RGB", "ENDHDR")
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(DatasetError, match="missing or cannot be decoded"):
        read_image(path, cv2.IMREAD_COLOR)


def test_ordinary_pictures_pass() -> None:
    for ending in (".png", ".jpg"):
        check_picture(cv2.imencode(ending, np.zeros((480, 640, 3), np.uint8))[1])


def test_a_pipe_is_no_picture(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(DatasetError, match="a device, a pipe or a socket"):
        read_image(tmp_path / "pipe.png", cv2.IMREAD_UNCHANGED)


def test_a_chunk_that_declares_gigabytes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.mcap"
    content = struct.pack("<QQQIi", 0, 1, 2**31, 0, 4) + b"zstd" + struct.pack("<Q", 0)
    header = struct.pack("<i4si", 4, b"ros2", 0)
    records = struct.pack("<BQ", 1, len(header)) + header
    records += struct.pack("<BQ", 6, len(content)) + content
    path.write_bytes(b"\x89MCAP0\r\n" + records + b"\x89MCAP0\r\n")
    with pytest.raises(BagError, match="declares a chunk of 2147483648 bytes"):
        BagReader(path)


def test_the_recorded_attacks_are_refused(shared_dir: Path) -> None:
    attacks = shared_dir / "cases" / "attack"
    with pytest.raises(BagError, match="declares a chunk of"):
        BagReader(attacks / "bomb.mcap")
    with pytest.raises(DatasetError, match=r"bombh\.png"):
        read_image(attacks / "bombh.png", cv2.IMREAD_COLOR)
    with pytest.raises(DatasetError, match="nested"):
        read_json(attacks / "deep.json")
    with pytest.raises(DatasetError, match="nested"):
        read_yaml(attacks / "deep.yaml")


@pytest.mark.parametrize("reader", [read_json, read_yaml, read_metadata, BagReader])
@given(content=st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(reader: object, content: bytes, tmp_path_factory) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "file.mcap"
    path.write_bytes(content)
    try:
        reader(path)
    except (DatasetError, ModelFileError, BagError):
        return
    assert content.strip() or reader is read_yaml
