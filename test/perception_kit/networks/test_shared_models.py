# SPDX-License-Identifier: Apache-2.0
"""One copy of a model for a process, of the file as it is now."""

from __future__ import annotations

import gc
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import sleep
from weakref import ref

import pytest

from perception_kit.networks.shared_models import load_once


class Loaded:
    """A model that remembers what it was made of."""

    def __init__(self, text: str, options: tuple[str, ...]) -> None:
        self.text, self.options = text, options


def load(path: Path, *options: str) -> Loaded:
    sleep(0.01)
    return Loaded(path.read_text(), options)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "model"
    path.write_text("first")
    return path


def test_who_asks_for_the_same_gets_the_same(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load_once(load, [file], "cpu")
    link = file.with_name("link")
    link.symlink_to(file)
    monkeypatch.chdir(file.parent)
    assert load_once(load, [file], "cpu") is model
    assert load_once(load, [link], "cpu") is model
    assert load_once(load, [Path("model")], "cpu") is model
    assert load_once(load, [file], "cuda") is not model
    assert load_once(lambda path, device: Loaded("", ()), [file], "cpu") is not model


def test_threads_that_ask_at_once_share_it(file: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        models = list(pool.map(lambda _: load_once(load, [file]), range(8)))
    assert len(set(map(id, models))) == 1


def test_a_changed_file_is_loaded_anew(file: Path) -> None:
    first = load_once(load, [file])
    before = file.stat()
    file.write_text("other")  # as long as before
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    second = load_once(load, [file])
    assert (first.text, second.text) == ("first", "other")

    # In its place, of the same time and length
    replacement = file.with_name("replacement")
    replacement.write_text("third")
    os.utime(replacement, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    replacement.replace(file)
    assert load_once(load, [file]).text == "third"


def test_all_files_count(file: Path) -> None:
    beside = file.with_name("beside")
    first = load_once(load, [file, beside])
    assert load_once(load, [file, beside]) is first
    beside.touch()
    assert load_once(load, [file, beside]) is not first


def test_networks_of_another_number_of_threads_are_others(file: Path) -> None:
    first = load_once(load, [file], threads=1)
    assert load_once(load, [file], threads=2) is not first
    assert load_once(load, [file], threads=1) is first


def test_nobody_keeps_what_nobody_uses(file: Path) -> None:
    model = load_once(load, [file])
    watched = ref(model)
    del model
    gc.collect()
    assert watched() is None
    assert load_once(load, [file]).text == "first"


def test_an_error_is_that_of_the_loader(tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(FileNotFoundError):
            load_once(load, [tmp_path / "nothing"])
