# SPDX-License-Identifier: Apache-2.0
"""Graphs are made once for the same network, and again for any other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from perception_kit.networks import graph_cache, openvino_module
from perception_kit.networks.graph_cache import graphs_folder
from perception_kit.networks.openvino_module import cached_graph, compile_module

IMAGE = torch.linspace(-1, 1, 3 * 8 * 8).view(1, 3, 8, 8)


class Scaled(nn.Module):
    """A convolution whose output is multiplied by a number that is no parameter."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor
        self.layer = nn.Conv2d(3, 2, 3)
        nn.init.constant_(self.layer.weight, 0.1)
        nn.init.zeros_(self.layer.bias)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.factor * self.layer(image)


def with_other_weights(network: Scaled) -> Scaled:
    nn.init.constant_(network.layer.weight, 0.2)
    return network


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[nn.Module]:
    """The networks that graphs were made of since the cache was empty."""
    made: list[nn.Module] = []

    def to_graph(module: nn.Module, *arguments: object) -> object:
        made.append(module)
        return original(module, *arguments)

    original: Callable[..., object] = openvino_module.to_graph
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(openvino_module, "to_graph", to_graph)
    return made


@torch.inference_mode()
def test_the_same_network_is_read(made: list[nn.Module]) -> None:
    for _ in range(2):
        compiled = compile_module(Scaled(1.0).eval(), [IMAGE], [(1, 3, 8, 8)])
        torch.testing.assert_close(compiled(IMAGE), Scaled(1.0)(IMAGE))
    assert len(made) == 1


@pytest.mark.parametrize(
    ("other", "shape"),
    [
        (Scaled(2.0), (1, 3, 8, 8)),
        (with_other_weights(Scaled(1.0)), (1, 3, 8, 8)),
        (Scaled(1.0), (-1, 3, 8, 8)),
    ],
    ids=["hyperparameter", "weights", "shape"],
)
@torch.inference_mode()
def test_another_network_or_shape_is_another_graph(
    other: Scaled, shape: tuple[int, ...], made: list[nn.Module]
) -> None:
    cached_graph(Scaled(1.0).eval(), [IMAGE], [(1, 3, 8, 8)])
    compiled = compile_module(other.eval(), [IMAGE], [shape])
    assert len(made) == 2
    torch.testing.assert_close(compiled(IMAGE), other(IMAGE))


def test_a_damaged_graph_is_made_again(made: list[nn.Module]) -> None:
    cached_graph(Scaled(1.0).eval(), [IMAGE], [(1, 3, 8, 8)])
    (path,) = graphs_folder().glob("*.xml")
    path.write_text("<net>")
    cached_graph(Scaled(1.0).eval(), [IMAGE], [(1, 3, 8, 8)])
    assert len(made) == 2


def test_a_folder_that_cannot_be_written_is_a_warning(
    made: list[nn.Module], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.warns(RuntimeWarning, match="each start takes longer"):
        cached_graph(Scaled(1.0).eval(), [IMAGE], [(1, 3, 8, 8)])


def test_graphs_that_were_not_used_for_longest_go_first(
    made: list[nn.Module], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph_cache, "MAX_BYTES", 0)
    cached_graph(Scaled(1.0).eval(), [IMAGE], [(1, 3, 8, 8)])
    assert [*graphs_folder().iterdir()] == []
