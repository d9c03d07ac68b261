# SPDX-License-Identifier: Apache-2.0
"""What no command can mean is refused by name: an empty value is never the same as none."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from video_search import Library, LibraryError
from video_search.find import main as find
from video_search.forget import main as forget
from video_search.index import main as index
from video_search.serve import main as serve


@pytest.mark.parametrize(
    ("command", "arguments", "message"),
    [
        (forget, ["library", "--track", "1", "--source", ""], "--source: must not be empty"),
        (forget, ["library", "--source", "a.mp4", "--since", ""], "--since: must not be empty"),
        (forget, ["library", "--track", "1", "--until", " "], "--until: must not be empty"),
        (find, ["library", "mug", "--source", ""], "--source: must not be empty"),
        (find, ["library", "mug", "--since", ""], "--since: must not be empty"),
        (index, ["library", ""], "sources: must not be empty"),
        (index, ["", "a.mp4"], "library: must not be empty"),
        (index, ["library", "a.mp4", "--patterns", ""], "--patterns: must not be empty"),
        (index, ["library", "a.mp4", "--rate", "1e-300"], "--rate: must be a number of at least"),
    ],
)
def test_what_means_nothing_is_refused(
    command: Callable[[list[str]], int],
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        command(arguments)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("opened", [Library.open, Library.create])
def test_a_library_without_a_name_is_refused(opened: Callable[[str], Library]) -> None:
    with pytest.raises(LibraryError, match="the name of the library is empty"):
        opened("")


def test_a_host_that_cannot_be_one_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert serve(["library", "--host", "nonsense..x"]) == 2
    assert "cannot listen at port 8090 of 'nonsense..x'" in capsys.readouterr().err
