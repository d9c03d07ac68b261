# SPDX-License-Identifier: Apache-2.0
"""What indexing costs, where the work goes, and how it scales: ``python -m bench.search_ingest``.

Makes videos in which a logo comes and goes, indexes them by one and by two processes, and times
each step of the work alone. Many machines are simulated by processes that sleep for as long as the
reading of a source takes and then write its tags into one library, as workers do: what they lose
against one of them is what writing at once costs. ``--bag`` also indexes a recording with the three
nodes. CPU seconds hardly depend on what else the machine does, seconds do.
"""

from __future__ import annotations

import argparse
import multiprocessing
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage
from tempfile import mkdtemp
from typing import Any

import cv2
import numpy as np

from bench.search_library import LOGOS, logo, write_logos
from bench.timing import add_json_option, write_figures
from perception_kit.arguments import bounded_int
from perception_kit.replay.video import VideoWriter
from video_search import Library, Source, Tag
from video_search.frames import Frame, frames_of
from video_search.indexing import IndexOptions, index_sources
from video_search.models import Models
from video_search.retention import folder_size
from video_search.sources import SourceFile, find_sources

FPS, SIZE = 15, (640, 480)
SIMULATED = (1, 2, 4, 8)
# Writes of each simulated machine, and how long it reads before each, s.
_ROUNDS, _READING_S, _TAGS = 5, 1.0, 20
CAMERAS = 10
_PERIODS = {"hour": 1 / 24, "day": 1.0, "year": 365.0}


def write_video(path: Path, seed: int, seconds: float) -> None:
    """A textured wall before which a logo is held up half of the time."""
    rng = np.random.default_rng(seed)
    width, height = SIZE
    blocks = rng.integers(40, 220, (height // 8, width // 8, 3)).astype(np.uint8)
    wall = cv2.resize(blocks, SIZE, interpolation=cv2.INTER_CUBIC)
    picture = cv2.resize(logo(LOGOS[seed % len(LOGOS)]), (96, 96), interpolation=cv2.INTER_AREA)
    with VideoWriter(path) as writer:
        for number in range(round(seconds * FPS)):
            frame = wall.copy()
            if number // (3 * FPS) % 2:
                left = 100 + number % 300
                frame[180:276, left : left + 96] = picture
            writer.write(frame, round(number * 1e9 / FPS))


def _cpu_s() -> float:
    """CPU seconds of this process and of its children that have ended."""
    used = [getrusage(who) for who in (RUSAGE_SELF, RUSAGE_CHILDREN)]
    return sum(entry.ru_utime + entry.ru_stime for entry in used)


def _timed(work: Callable[[], Any]) -> tuple[dict[str, float], Any]:
    started, cpu = time.perf_counter(), _cpu_s()
    done = work()
    return {"cpu_s": _cpu_s() - cpu, "seconds": time.perf_counter() - started}, done


def indexed(
    library: Library, files: Sequence[SourceFile], options: IndexOptions, workers: int
) -> dict[str, float]:
    """Seconds and CPU seconds of indexing, with what each process sets up once."""

    def work() -> list[str]:
        return [done.state for done in index_sources(library, files, options, True, workers)]

    figures, states = _timed(work)
    if set(states) != {"indexed"}:
        raise SystemExit(f"search_ingest: not all sources could be indexed: {states}")
    return figures


def steps(file: SourceFile, options: IndexOptions, library: Library) -> dict[str, float]:
    """CPU seconds of each step over one video, each done alone."""
    ingestion = options.ingestion()
    matcher = ingestion.matchers[0]
    frames: list[tuple[Frame, np.ndarray]] = []

    def decode() -> None:
        step_ns, due_ns = round(1e9 / options.rate), 0
        for frame in frames_of(file.path, file.kind):
            if frame.stamp_ns >= due_ns:
                due_ns = frame.stamp_ns + step_ns
                frames.append((frame, frame.rgb))

    done = {"content hash": _timed(file.digest)[0], "decoding": _timed(decode)[0]}
    done["patterns"] = _timed(lambda: [matcher(frame) for frame, _ in frames])[0]
    everything, (source, tags) = _timed(lambda: ingestion.read(file, lambda fraction: None))
    rest = everything["cpu_s"] - done["decoding"]["cpu_s"] - done["patterns"]["cpu_s"]
    written = _timed(lambda: library.replace_source(source, tags))[0]
    return {
        **{name: figures["cpu_s"] for name, figures in done.items()},
        "thumbnails, descriptors, joining": max(0.0, rest),
        "writing": written["cpu_s"],
    }


def _simulated_machine(uri: str, number: int, start: Any) -> None:
    library = Library.open(uri)
    start.wait()
    for turn in range(_ROUNDS):
        time.sleep(_READING_S)
        source = Source(f"{number}-{turn}", f"/videos/{number}-{turn}.mp4", "video")
        tags = [Tag(source.id, n, n + 1, "object", "mug", track_id=n) for n in range(_TAGS)]
        library.replace_source(replace(source, digest="0"), tags)


def simulated(folder: Path) -> Iterator[tuple[int, float]]:
    """Numbers of machines, and sources per second that each of them gets done."""
    context = multiprocessing.get_context("spawn")
    for count in SIMULATED:
        uri = Library.create(folder / f"simulated{count}").uri
        start = context.Barrier(count + 1)
        machines = [
            context.Process(target=_simulated_machine, args=(uri, number, start))
            for number in range(count)
        ]
        for machine in machines:
            machine.start()
        start.wait()
        started = time.perf_counter()
        for machine in machines:
            machine.join()
        if Library.open(uri).count() != count * _ROUNDS * _TAGS:
            raise SystemExit("search_ingest: a simulated machine has lost tags")
        yield count, _ROUNDS / (time.perf_counter() - started)


def on_paper(cpu_s_per_s: float, tags_per_s: float, bytes_per_tag: float) -> dict[str, Any]:
    """Bytes and cores that ten cameras need, by what was measured."""
    tags_per_day = tags_per_s * 86_400 * CAMERAS
    return {
        "cores": cpu_s_per_s * CAMERAS,
        **{
            name: {
                "tags": days * tags_per_day,
                "gigabytes": days * tags_per_day * bytes_per_tag / 1e9,
            }
            for name, days in _PERIODS.items()
        },
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what was measured."""
    parser = argparse.ArgumentParser(prog="python -m bench.search_ingest", description=__doc__)
    parser.add_argument("--videos", type=bounded_int(2), default=6)
    parser.add_argument("--seconds", type=bounded_int(6), default=30, help="of each video")
    parser.add_argument("--bag", type=Path, help="RGB-D recording to index with the models, too")
    add_json_option(parser)
    options = parser.parse_args(arguments)

    folder = Path(mkdtemp(prefix="search_ingest_"))
    try:
        figures = _measured(folder, options)
    finally:
        shutil.rmtree(folder)
    write_figures(options.json, figures)
    return 0


def _measured(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    write_logos(folder / "logos")
    for number in range(options.videos):
        write_video(folder / f"{number}.mp4", number, options.seconds)
    files = find_sources(sorted(folder.glob("*.mp4")))
    length_s = float(options.videos * options.seconds)
    settings = IndexOptions(patterns=folder / "logos")
    figures: dict[str, Any] = {}

    for workers in (1, 2):
        library = Library.create(folder / f"library{workers}")
        found = indexed(library, files, settings, workers)
        figures[f"{workers} workers"] = found
        print(
            f"{workers} worker{'s' * (workers > 1)}: {length_s / found['seconds']:.1f} times real"
            f" time, {found['cpu_s'] / length_s:.3f} CPU s per second of video",
            flush=True,
        )
    figures["steps"] = steps(files[0], settings, library)
    total = sum(figures["steps"].values())
    for name, cpu_s in figures["steps"].items():
        share = f"{100 * cpu_s / total:3.0f} %"
        print(f"  {name:34} {1e3 * cpu_s / options.seconds:7.2f} ms per second of video  {share}")

    figures["simulated"] = {}
    for count, rate in simulated(folder):
        figures["simulated"][str(count)] = rate
        print(f"{count:3} simulated machines: {rate * count:5.2f} sources/s together", flush=True)

    library.refresh()
    size = folder_size(Path(library.uri)) / library.count()
    cost = figures["1 workers"]["cpu_s"] / length_s
    if options.bag is not None:
        library = Library.create(folder / "library_models")
        (file,) = find_sources([options.bag])
        found = indexed(library, [file], replace(settings, models=Models.demo()), 1)
        (source,) = library.sources()
        length_s = (source.end_ns - source.start_ns) * 1e-9
        cost, size = found["cpu_s"] / length_s, folder_size(Path(library.uri)) / library.count()
        figures["models"] = {**found, "recorded_s": length_s}
        print(f"with models: {cost:.2f} CPU s per second recorded, {size:.0f} bytes per tag")
    figures["on paper"] = on_paper(cost, library.count() / length_s, size)
    for name in _PERIODS:
        need = figures["on paper"][name]
        print(
            f"{CAMERAS} cameras, a {name}: {need['tags']:.3g} tags, {need['gigabytes']:.3g} GB,"
            f" {figures['on paper']['cores']:.1f} cores"
        )
    return figures


if __name__ == "__main__":
    sys.exit(main())
