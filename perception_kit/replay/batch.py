# SPDX-License-Identifier: Apache-2.0
"""Replays of several bags, beside each other on this machine or on a cluster, and their summary."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from distributed import (
    CancelledError,
    Client,
    Future,
    KilledWorker,
    LocalCluster,
    TimeoutError,
    get_worker,
    wait,
)
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from tqdm import tqdm

from perception_kit.evaluation.run import read_run
from perception_kit.evaluation.run_folder import OutputError, make_output
from perception_kit.evaluation.scores import main_scores
from perception_kit.processes import ends_with_parent
from perception_kit.replay.settings import ReplaySettings
from perception_kit.report.summary_page import summary_page, summary_table

SUMMARY, SUMMARY_PAGE, LOG = "summary.json", "summary.html", "replay.log"
FINISHED = (0, 3)  # exit codes of replays that have scores
NOT_STARTED = 2
_CONNECT_S = 30
_TELL_EVERY_S = 15
_POLL_S = 0.5


def run_batch(
    bags: Sequence[Path], settings: ReplaySettings, workers: int = 1, scheduler: str | None = None
) -> dict[Path, int]:
    """Replay each of ``bags`` as ``settings`` say into ``OUT/NAME``, and write the summary of all
    into ``OUT``. Returns their exit codes.

    ``settings.truth`` holds a folder ``NAME`` for each bag, ``settings.actions`` a file
    ``NAME.csv``. Up to ``workers`` replays run at a time on this machine, or one in each thread of
    the Dask cluster at ``scheduler``, whose machines must see the same files. Raises OutputError
    where bags have the same name, ``OUT`` cannot be written or the cluster cannot be reached.
    """
    tasks = _tasks(bags, settings)
    for task in tasks.values():
        make_output(task.out)
    codes: dict[Path, int] = {}
    with _client(workers, scheduler) as client:
        bag_of = {
            client.submit(_replay, replay_command(task), str(task.out / LOG), pure=False): bag
            for bag, task in tasks.items()
        }
        for future in tqdm(_ended(client, bag_of), total=len(bag_of), unit="bag", desc="replays"):
            bag = bag_of[future]
            codes[bag] = _exit_code(future, bag, tasks[bag])
    _write_summary(settings.out, tasks, codes)
    return codes


def _ended(client: Client, futures: Iterable[Future]) -> Iterator[Future]:
    """Each of ``futures`` when it has ended; says so while there is nobody to work on them."""
    running = set(futures)
    while running:
        try:
            ended, running = wait(running, timeout=_TELL_EVERY_S, return_when="FIRST_COMPLETED")
        except TimeoutError:
            if not client.scheduler_info()["workers"]:
                _say(
                    "the scheduler has no workers: start one with 'dask worker"
                    f" {client.scheduler.address} --nthreads 1'; waiting"
                )
            continue
        except CancelledError:
            ended, running = running, set()
        yield from ended


def _exit_code(future: Future, bag: Path, task: ReplaySettings) -> int:
    """Exit code of a replay that has ended; tells about any but 0."""
    try:
        code = future.result()
    except CancelledError:
        _say(f"the replay of '{bag}' is lost: the scheduler is gone")
        return NOT_STARTED
    except (OSError, KilledWorker) as error:  # the worker does not see the folder, or died
        _say(
            f"the replay of '{bag}' failed on its worker ({error}): it needs '{task.out}' and"
            " memory"
        )
        return NOT_STARTED
    if code:
        _say(f"the replay of '{bag}' ended with exit code {code}; see '{task.out / LOG}'")
    return code


def _say(text: str) -> None:
    tqdm.write(text, file=sys.stderr)


def _tasks(bags: Sequence[Path], settings: ReplaySettings) -> dict[Path, ReplaySettings]:
    """The settings of each bag's replay."""
    names = [bag.absolute().with_suffix("").name for bag in bags]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise OutputError(
            f"several bags are called {', '.join(twice)}, and each needs a folder of its own in"
            f" '{settings.out}': rename them"
        )
    return {
        bag: replace(
            settings,
            bag=bag.absolute(),
            out=settings.out.absolute() / name,
            truth=settings.truth / name if settings.truth is not None else None,
            actions=settings.actions / f"{name}.csv" if settings.actions is not None else None,
        )
        for bag, name in zip(bags, names, strict=True)
    }


def replay_command(task: ReplaySettings) -> list[str]:
    """Arguments for Python to run one replay as a process of its own, so that it cannot disturb its
    worker.
    """
    options = asdict(task)
    command = ["-m", "perception_kit.replay", str(options.pop("bag"))]
    for name, value in options.items():
        option = f"--{name.replace('_', '-')}"
        if value is True:
            command.append(option)
        elif value is not None and value is not False:
            command += [option, str(value.absolute() if isinstance(value, Path) else value)]
    return command


@contextmanager
def _client(workers: int, scheduler: str | None) -> Iterator[Client]:
    for handler in logging.getLogger("distributed").handlers:
        handler.setLevel(logging.CRITICAL)  # what goes wrong is told in our own words
    if scheduler is None:
        # Threads are enough, since each replay is a process.
        local = LocalCluster(
            n_workers=1,
            threads_per_worker=workers,
            processes=False,
            dashboard_address=None,
            silence_logs=False,
        )
        with local as cluster, Client(cluster) as client:
            yield client
        return
    try:
        client = Client(scheduler, timeout=_CONNECT_S)
    except (OSError, ValueError) as error:
        raise OutputError(
            f"no Dask scheduler answers at '{scheduler}' ({error}): start one with 'dask scheduler'"
        ) from error
    with client:
        yield client


def _replay(command: list[str], log_path: str) -> int:
    """Run one replay on this worker, in a ROS domain that nobody uses on its machine.

    Returns the exit code.

    The replay is ended when the one who asked for it is gone, or the worker.
    """
    worker = get_worker()
    key = worker.get_current_task()
    arguments = ends_with_parent([sys.executable, *command])
    with (
        open(log_path, "w") as log,
        subprocess.Popen(arguments, stdout=log, stderr=subprocess.STDOUT) as process,
    ):
        while True:
            try:
                return process.wait(_POLL_S)
            except subprocess.TimeoutExpired:
                if worker.state.tasks[key].state == "cancelled":
                    process.terminate()
                    return process.wait()


def _write_summary(out: Path, tasks: dict[Path, ReplaySettings], codes: dict[Path, int]) -> None:
    runs = {
        bag: read_run(task.out) if codes[bag] in FINISHED else None for bag, task in tasks.items()
    }
    content: dict[str, Any] = {
        task.out.name: {
            "bag": str(bag),
            "exit_code": codes[bag],
            "scores": (
                None
                if run is None
                else {f"{score.part}: {score.name}": score.value for score in main_scores(run)}
            ),
        }
        for (bag, task), run in zip(tasks.items(), runs.values(), strict=True)
    }
    (out / SUMMARY).write_text(json.dumps(content, indent=2) + "\n")
    (out / SUMMARY_PAGE).write_text(
        summary_page(out.name, {tasks[bag].out.name: run for bag, run in runs.items()})
    )


def print_summary(out: Path, codes: dict[Path, int]) -> None:
    """The table of a batch that ended: a row for each score, a column for each bag that has scores,
    and their mean.
    """
    folders = {
        bag.absolute().with_suffix("").name for bag, code in codes.items() if code in FINISHED
    }
    console = Console(highlight=False, soft_wrap=True)
    if folders:
        header, rows = summary_table({name: read_run(out / name) for name in sorted(folders)})
        table = Table(title="Scores", title_justify="left")
        for column, name in enumerate(["score", *(row[0] for row in rows)]):
            table.add_column(escape(name), justify="right" if column else "left")
        for number, score in enumerate(header[1:], start=1):
            table.add_row(escape(score), *(row[number] for row in rows))
        console.print(table)
    console.print(f"Look at:\n  {escape(str(out / SUMMARY_PAGE))}\n  {escape(str(out / SUMMARY))}")
