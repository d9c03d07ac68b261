# SPDX-License-Identifier: Apache-2.0
"""Compares replays of a bag with the first: what got better and worse, by class and by frame.

Exit code: 0; 2 for folders that do not hold replays of the same bag.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from perception_kit.arguments import CommandParser, program_name
from perception_kit.json_output import write_json
from perception_kit.partial_file import refuse_links
from perception_kit.processes import run_command

if TYPE_CHECKING:
    from perception_kit.report.comparison import Change, Comparison, FrameChange

EXIT_BAD_INPUT = 2
PAGE, DATA = "compare.html", "compare.json"
_COLORS = {"better": "green", "worse": "red"}
_FRAMES_PRINTED = 5


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Command line."""
    parser = CommandParser(
        prog=program_name("perception_kit.compare"),
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("first", type=Path, help="--out folder of a replay")
    parser.add_argument(
        "others", type=Path, nargs="+", help="--out folders of other replays of the same bag"
    )
    parser.add_argument(
        "--out", type=Path, help=f"folder for {PAGE} and {DATA} (default: the last one)"
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    args = parse_arguments(arguments)

    # Scores and charts take seconds to import, which help and wrong options need not wait for.
    from perception_kit.evaluation.run import RunError, read_run
    from perception_kit.report.comparison import compare_with_first
    from perception_kit.report.comparison_page import comparison_page
    from perception_kit.report.many_runs_page import many_runs_page

    out = args.out or args.others[-1]
    try:
        comparisons = compare_with_first([read_run(path) for path in (args.first, *args.others)])
        first = comparisons[0]
        is_pair = len(comparisons) == 1
        page = comparison_page(first) if is_pair else many_runs_page(comparisons)
        written = [comparison.as_json() for comparison in comparisons]
        refuse_links(out, (DATA, PAGE))
        out.mkdir(parents=True, exist_ok=True)
        write_json(out / DATA, written[0] if is_pair else {"comparisons": written})
        (out / PAGE).write_text(page)
    except (RunError, OSError) as error:
        print(f"compare: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT

    console = Console(highlight=False, soft_wrap=True)
    for comparison in comparisons:
        _print(console, comparison)
    console.print(f"Look at:\n  {escape(str(out / PAGE))}\n  {escape(str(out / DATA))}")
    return 0


def _print(console: Console, comparison: Comparison) -> None:
    # What was compared, and what they ran with where it differs.
    console.print(f"first:  {escape(str(comparison.first.folder))}")
    console.print(f"second: {escape(str(comparison.second.folder))}")
    for name, first, second in comparison.causes:
        console.print(f"  {escape(name)}: {escape(first)} → {escape(second)}")

    # Scores.
    totals = [change for change in comparison.changes if not change.of]
    classes = [change for change in comparison.changes if change.of and change.verdict in _COLORS]
    console.print(_table("All", totals))
    if classes:
        console.print(_table("By class, what changed", classes))

    # Frames.
    if comparison.frames:
        console.print("Frames that differ most:")
    for frame in comparison.frames[:_FRAMES_PRINTED]:
        console.print(_describe_frame(frame))


def _describe_frame(frame: FrameChange) -> str:
    first, second = (
        escape("; ".join(problems) or "nothing wrong")
        for problems in (frame.first_problems, frame.second_problems)
    )
    return (
        f"  frame {frame.number}, {frame.seconds:.2f} s\n    first:  {first}\n    second: {second}"
    )


def _table(title: str, changes: Sequence[Change]) -> Table:
    table = Table(title=title, title_justify="left")
    for column in ("of", "score", "first", "second", "difference"):
        table.add_column(column, justify="left" if column in ("of", "score") else "right")

    for change in changes:
        difference = change.difference_text
        color = _COLORS.get(change.verdict)
        table.add_row(
            escape(change.of or change.first.part),
            escape(change.first.name),
            change.first.text,
            change.second.text,
            f"[{color}]{difference} {change.verdict}[/]" if color else difference,
        )
    return table


if __name__ == "__main__":
    sys.exit(run_command(main))
