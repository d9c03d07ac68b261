# SPDX-License-Identifier: Apache-2.0
"""Damaged video files are named, with what was lost; whole ones are not."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from perception_kit.videos.video import VideoError, VideoFormat, read_video

FORM = VideoFormat(fps=15, max_side=32)
KEEP = VideoFormat(fps=15, max_side=32, keep_damaged=True)
SECONDS, RATE, SAMPLE_RATE = 8, 15, 8000
TS_PACKET = 188


def write(
    path: Path, codec: str, sound: str = "", seconds: float = SECONDS, **options: str
) -> Path:
    """A noisy video; ``sound`` names the codec of an audio stream of the same length."""
    rng = np.random.default_rng(0)
    with av.open(str(path), "w", options=options) as container:
        video = container.add_stream(codec, rate=RATE)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        video.codec_context.gop_size = 15
        if "vp" in codec:
            video.options = {"deadline": "realtime", "cpu-used": "8"}
        audio = container.add_stream(sound, rate=SAMPLE_RATE) if sound else None

        for index in range(round(seconds * RATE)):
            image = rng.integers(0, 255, (48, 64, 3), np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, RATE)
            container.mux(video.encode(frame))
            if audio is not None:
                samples = SAMPLE_RATE // RATE
                silence = np.zeros((1, samples), np.float32)
                block = av.AudioFrame.from_ndarray(silence, format="flt", layout="mono")
                block.sample_rate, block.pts = SAMPLE_RATE, index * samples
                block.time_base = Fraction(1, SAMPLE_RATE)
                container.mux(audio.encode(block))
        container.mux(video.encode())
        if audio is not None:
            container.mux(audio.encode())
    return path


WHOLE: dict[str, Callable[[Path], Path]] = {
    "mp4": lambda folder: write(folder / "v.mp4", "libx264", movflags="faststart"),
    "mp4 with sound": lambda folder: write(folder / "v.mp4", "mpeg4", "aac", movflags="faststart"),
    "mkv": lambda folder: write(folder / "v.mkv", "libx264"),
    "mkv with sound": lambda folder: write(folder / "v.mkv", "libx264", "pcm_f32le"),
    "webm": lambda folder: write(folder / "v.webm", "libvpx-vp9"),
    "avi": lambda folder: write(folder / "v.avi", "mpeg4"),
    "avi with frames out of order": lambda folder: write(folder / "v.avi", "libx264"),
    "transport stream": lambda folder: write(folder / "v.ts", "libx264"),
    "program stream": lambda folder: write(folder / "v.mpg", "mpeg2video"),
}


@pytest.mark.parametrize("case", WHOLE)
def test_whole_files_are_read(case: str, tmp_path: Path) -> None:
    rate = len(read_video(WHOLE[case](tmp_path), FORM)) / SECONDS
    assert rate == pytest.approx(RATE, rel=0.03)


@pytest.mark.parametrize("case", ["mp4", "mp4 with sound", "mkv", "mkv with sound", "avi"])
@pytest.mark.parametrize("left", [0.55, 0.9])
def test_files_that_were_cut_off_are_named(
    left: float, case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = WHOLE[case](tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[: round(left * len(content))])
    with pytest.raises(VideoError, match=r"ends at \d\.\d\d s.*says that it has 8\.\d\d s: it was"):
        read_video(path, FORM)

    frames = read_video(path, KEEP)
    assert (left - 0.25) * SECONDS * RATE < len(frames) < (left + 0.05) * SECONDS * RATE
    printed = capsys.readouterr().err
    assert "warning: " in printed
    assert "it was cut off" in printed
    assert "the rest is used" in printed


def lose_packets(content: bytes) -> bytes:
    """A transport stream without every 40th packet."""
    packets = [content[k : k + TS_PACKET] for k in range(0, len(content), TS_PACKET)]
    return b"".join(packet for k, packet in enumerate(packets) if k < 40 or k % 40)


def zero_a_part(content: bytes) -> bytes:
    """The content with nothing in a twentieth of it."""
    begin, length = len(content) // 2, len(content) // 20
    return content[:begin] + bytes(length) + content[begin + length :]


DAMAGE = {
    "lost packets": ("transport stream", lose_packets, r"has \d+ corrupt and \d+ undecodable"),
    "a hole in an mp4": ("mp4", zero_a_part, r"has \d+ corrupt and [1-9]\d* undecodable frames of"),
    "a hole in MPEG-4": ("mp4 with sound", zero_a_part, r"has \d+ corrupt and \d+ undecodable"),
    "a hole in an avi": ("avi", zero_a_part, r"has [1-9]\d* corrupt"),
    "a hole in a program stream": (
        "program stream",
        zero_a_part,
        r"has \d+ corrupt and \d+ undecodable",
    ),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_damage_within_a_file_is_named(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, damage, message = DAMAGE[case]
    path = WHOLE[whole](tmp_path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(VideoError, match=message):
        read_video(path, FORM)
    assert len(read_video(path, KEEP)) > SECONDS * RATE / 4
    assert "the rest is used" in capsys.readouterr().err


def test_a_gap_in_a_regular_video_is_named(write_video) -> None:
    times = np.concatenate([np.arange(40) / 15, 6 + np.arange(40) / 15])
    with pytest.raises(VideoError, match=r"has no frame from 2\.60 to 6\.00 s"):
        read_video(write_video("v.mkv", times), FORM)


def test_a_still_picture_in_a_video_of_changing_rate_is_no_gap(write_video) -> None:
    times = np.cumsum(np.random.default_rng(0).choice([0.03, 0.1, 0.4, 1.5], 40))
    assert len(read_video(write_video("v.mkv", times - times[0]), FORM)) > 100


@pytest.mark.parametrize("keep_damaged", [False, True])
def test_frames_without_time_stamps_are_named_with_the_remedy(
    keep_damaged: bool, tmp_path: Path
) -> None:
    path = write(tmp_path / "raw.h264", "libx264")
    message = (
        r"raw\.h264' has 120 frames without time stamps: .*-r 30 -i raw\.h264 -c copy raw\.mp4"
    )
    with pytest.raises(VideoError, match=message):
        read_video(path, KEEP if keep_damaged else FORM)


def test_sound_that_lasts_longer_than_the_video_is_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "v.mkv"
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=RATE)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio = container.add_stream("pcm_s16le", rate=SAMPLE_RATE)
        for index in range(30):
            frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, RATE)
            container.mux(video.encode(frame))
        block = av.AudioFrame.from_ndarray(
            np.zeros((1, 6 * SAMPLE_RATE), np.int16), format="s16", layout="mono"
        )
        block.sample_rate, block.pts, block.time_base = SAMPLE_RATE, 0, Fraction(1, SAMPLE_RATE)
        container.mux(audio.encode(block))
        container.mux(video.encode())
        container.mux(audio.encode())
    assert len(read_video(path, FORM)) == 30
