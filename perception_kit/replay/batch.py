# SPDX-License-Identifier: Apache-2.0
"""Replays several bags in parallel, on this machine or on a cluster, and summarizes them."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from distributed import CancelledError, Future, KilledWorker, get_worker
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from tqdm import tqdm

from perception_kit.evaluation.run import ReplayRun, read_run
from perception_kit.evaluation.run_folder import OutputError, make_output
from perception_kit.evaluation.scores import main_scores
from perception_kit.json_output import write_json
from perception_kit.partial_file import refuse_links
from perception_kit.processes import ends_with_parent
from perception_kit.replay.cluster import as_ended, cluster_client
from perception_kit.replay.log import log
from perception_kit.replay.settings import ReplaySettings
from perception_kit.report.summary_page import summary_page, summary_table

SUMMARY, SUMMARY_PAGE, LOG = "summary.json", "summary.html", "replay.log"

# Exit codes: of replays that have scores, and of those that a worker could not run.
FINISHED = (0, 3)
NOT_STARTED = 2
_POLL_S = 0.5

# Bags with the exit codes of their replays, as these end.
Ended = Generator[tuple[Path, int], None, None]


def run_batch(
    bags: Sequence[Path], settings: ReplaySettings, workers: int = 1, scheduler: str | None = None
) -> dict[Path, int]:
    """Replay each of ``bags`` into ``OUT/NAME`` and summarize them in ``OUT``; returns exit codes.

    ``settings.truth`` holds a folder ``NAME`` for each bag, ``settings.actions`` a file
    ``NAME.csv``. Up to ``workers`` replays run at a time on this machine, or one in each thread of
    the Dask cluster at ``scheduler``, whose machines must see the same files. Raises OutputError
    where bags have the same name, ``OUT`` cannot be written or holds links, or the cluster cannot
    be reached.
    """
    tasks = _tasks(bags, settings)
    try:
        refuse_links(settings.out, (SUMMARY, SUMMARY_PAGE))
        for task in tasks.values():
            make_output(task.out)
            refuse_links(task.out, (LOG,))
    except OSError as error:
        raise OutputError(str(error)) from error

    codes: dict[Path, int] = {}
    ended = _run_here(tasks, workers) if scheduler is None else _run_on_cluster(tasks, scheduler)
    with closing(ended):
        for bag, code in tqdm(ended, total=len(tasks), unit="bag", desc="replays"):
            codes[bag] = code
            if code:
                where = tasks[bag].out / LOG
                log(f"the replay of '{bag}' ended with exit code {code}; see '{where}'")

    _write_summary(settings.out, tasks, codes)
    return codes


def _run_here(tasks: Mapping[Path, ReplaySettings], workers: int) -> Ended:
    """Each bag with its exit code as its replay ends, ``workers`` at a time.

    Threads are enough, since each replay is a process; nothing listens to the network.
    """
    cancelled = threading.Event()
    with ThreadPoolExecutor(workers) as pool:
        bag_of = {
            pool.submit(_replay, replay_command(task), task.out / LOG, cancelled.is_set): bag
            for bag, task in tasks.items()
        }
        try:
            for future in as_completed(bag_of):
                yield bag_of[future], future.result()
        finally:
            cancelled.set()
            pool.shutdown(wait=False, cancel_futures=True)


def _run_on_cluster(tasks: Mapping[Path, ReplaySettings], scheduler: str) -> Ended:
    """Each bag with its exit code as its replay ends, on the Dask cluster at ``scheduler``."""
    with cluster_client(scheduler) as client:
        bag_of = {
            client.submit(_replay_on_worker, replay_command(task), task.out / LOG, pure=False): bag
            for bag, task in tasks.items()
        }
        for future in as_ended(client, bag_of):
            bag = bag_of[future]
            yield bag, _exit_code(future, bag, tasks[bag])


def _exit_code(future: Future, bag: Path, task: ReplaySettings) -> int:
    """Exit code of a replay that has ended; logs why a worker could not run it."""
    try:
        return future.result()
    except CancelledError:
        log(f"the replay of '{bag}' is lost: the scheduler is gone")
        return NOT_STARTED
    except (OSError, KilledWorker) as error:
        # The worker does not see the folder, or died.
        log(
            f"the replay of '{bag}' failed on its worker ({error}):"
            f" it needs '{task.out}' and memory"
        )
        return NOT_STARTED


def _bag_name(bag: Path) -> str:
    """Name of the bag's folder of results."""
    return bag.absolute().with_suffix("").name


def _tasks(bags: Sequence[Path], settings: ReplaySettings) -> dict[Path, ReplaySettings]:
    """The settings of each bag's replay. Raises OutputError for bags of the same name."""
    names = [_bag_name(bag) for bag in bags]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise OutputError(
            f"several bags are called {', '.join(repeated)},"
            f" and each needs a folder of its own in '{settings.out}': rename them"
        )

    tasks = {}
    for bag, name in zip(bags, names, strict=True):
        tasks[bag] = replace(
            settings,
            bag=bag.absolute(),
            out=settings.out.absolute() / name,
            truth=settings.truth / name if settings.truth is not None else None,
            actions=settings.actions / f"{name}.csv" if settings.actions is not None else None,
        )
    return tasks


def replay_command(task: ReplaySettings) -> list[str]:
    """Arguments for Python to run one replay.

    It gets a process of its own, so that it cannot disturb its worker.
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


def _replay_on_worker(command: list[str], log_path: Path) -> int:
    """Run one replay on this worker, and return its exit code.

    The replay ends with the client that asked for it, and with the worker.
    """
    worker = get_worker()
    key = worker.get_current_task()
    return _replay(command, log_path, lambda: worker.state.tasks[key].state == "cancelled")


def _replay(command: list[str], log_path: Path, is_cancelled: Callable[[], bool]) -> int:
    """Exit code of one replay, which ends with this thread or when it is cancelled."""
    arguments = ends_with_parent([sys.executable, *command])
    with (
        log_path.open("w") as log,
        subprocess.Popen(arguments, stdout=log, stderr=subprocess.STDOUT) as process,
    ):
        while True:
            try:
                return process.wait(_POLL_S)
            except subprocess.TimeoutExpired:
                if is_cancelled():
                    process.terminate()
                    return process.wait()


def _write_summary(out: Path, tasks: dict[Path, ReplaySettings], codes: dict[Path, int]) -> None:
    """Write the scores of all replays as JSON and as a page."""
    content: dict[str, Any] = {}
    runs: dict[str, ReplayRun | None] = {}
    for bag, task in tasks.items():
        run = read_run(task.out) if codes[bag] in FINISHED else None
        scores = None
        if run is not None:
            scores = {f"{score.part}: {score.name}": score.value for score in main_scores(run)}

        name = task.out.name
        runs[name] = run
        content[name] = {"bag": str(bag), "exit_code": codes[bag], "scores": scores}

    write_json(out / SUMMARY, content)
    (out / SUMMARY_PAGE).write_text(summary_page(out.name, runs))


def print_summary(out: Path, codes: dict[Path, int]) -> None:
    """Print the scores of a batch.

    The table has a row for each score, and columns for each bag that has scores and for their mean.
    """
    console = Console(highlight=False, soft_wrap=True)
    names = sorted({_bag_name(bag) for bag, code in codes.items() if code in FINISHED})
    if names:
        # The summary has a row for each bag, which is too wide for a terminal: it is transposed.
        header, rows = summary_table({name: read_run(out / name) for name in names})
        table = Table(title="Scores", title_justify="left")
        for column, name in enumerate(["score", *(row[0] for row in rows)]):
            table.add_column(escape(name), justify="right" if column else "left")
        for number, score in enumerate(header[1:], start=1):
            table.add_row(escape(score), *(row[number] for row in rows))
        console.print(table)

    console.print(f"Look at:\n  {escape(str(out / SUMMARY_PAGE))}\n  {escape(str(out / SUMMARY))}")
