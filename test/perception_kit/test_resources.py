# SPDX-License-Identifier: Apache-2.0
"""Where files are, and which device is taken."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from perception_kit.resources import choose_device, package_folder, resolve_path


def test_a_package_address_leads_into_the_package() -> None:
    assert (
        resolve_path("package://assistant_perception/config/fastdds.xml")
        == package_folder() / "config" / "fastdds.xml"
    )
    assert resolve_path("package://assistant_perception/config/fastdds.xml").is_file()


@pytest.mark.parametrize(
    "address",
    [
        "package://my_robot/models/own.safetensors",
        "package://",
        "package://assistant_perception_extra/a",
    ],
)
def test_addresses_in_other_packages_are_refused_by_name(address: str) -> None:
    with pytest.raises(ValueError, match=f"'{address}' lies in package"):
        resolve_path(address)


def test_other_paths_stay_as_they_are() -> None:
    assert resolve_path("models/own.safetensors") == Path("models/own.safetensors")
    assert resolve_path("~/own.safetensors") == Path.home() / "own.safetensors"
    assert resolve_path(Path("~/own.safetensors")) == Path.home() / "own.safetensors"


@pytest.mark.parametrize(
    ("name", "has_gpu", "device"),
    [
        ("cpu", True, "cpu"),
        ("auto", True, "cuda"),
        ("auto", False, "cpu"),
        ("cuda:1", True, "cuda:1"),
    ],
)
def test_device(name: str, has_gpu: bool, device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_gpu)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert choose_device(name) == device


def test_a_gpu_that_is_not_there_is_not_replaced_silently(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="device is 'cuda' but PyTorch finds no usable GPU"):
        choose_device("cuda")


@pytest.mark.parametrize(
    ("name", "message"),
    [("cuda:2", "PyTorch finds 2 GPUs"), ("gpu", "unknown device 'gpu'"), ("", "unknown device")],
)
def test_a_device_that_does_not_exist(
    monkeypatch: pytest.MonkeyPatch, name: str, message: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(ValueError, match=message):
        choose_device(name)
