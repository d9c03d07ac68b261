# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from plain_i3d import BRANCHES, logits, public_names
from torch import Tensor

from actionrec_node.networks.i3d import I3d, InceptionI3d, same_padding
from actionrec_node.networks.published_weights import load_pretrained
from perception_kit.networks.model_metadata import ModelFileError

CLASSES = 3


@pytest.fixture(scope="module")
def published() -> dict[str, dict[str, Tensor]]:
    """Tensors of both streams as the public checkpoints name and shape them.

    Values are random, batch counters are missing.
    """
    torch.manual_seed(1)
    streams = {}
    for stream, channels in (("rgb", 3), ("flow", 2)):
        streams[stream] = {
            name: torch.rand_like(tensor) * 0.2 + 0.9 if ".bn." in name else tensor
            for name, tensor in InceptionI3d(channels, CLASSES).state_dict().items()
            if not name.endswith("num_batches_tracked")
        }
    return streams


def _second_layout(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The names of the other public conversion, ``model_rgb.pth`` and ``model_flow.pth``."""
    branches = dict(
        zip(
            BRANCHES,
            ("branch_0", "branch_1.0", "branch_1.1", "branch_2.0", "branch_2.1", "branch_3.1"),
            strict=True,
        )
    )
    renamed = {}
    for name, tensor in tensors.items():
        parts = name.replace(".bn.", ".batch3d.").split(".", 2)
        if parts[1] in branches:
            parts[1] = branches[parts[1]]
        parts[0] = {"logits": "conv3d_0c_1x1"}.get(parts[0], parts[0][0].lower() + parts[0][1:])
        renamed[".".join(parts)] = tensor
    return renamed


def test_tensors_have_the_public_names(published: dict[str, dict[str, Tensor]]) -> None:
    assert published["rgb"].keys() == public_names()
    assert published["flow"]["Conv3d_1a_7x7.conv3d.weight"].shape == (64, 2, 7, 7, 7)
    assert published["rgb"]["Mixed_4f.b1b.conv3d.weight"].shape == (320, 160, 3, 3, 3)
    assert published["rgb"]["logits.conv3d.weight"].shape == (CLASSES, 1024, 1, 1, 1)


@pytest.mark.parametrize("second_layout", [False, True], ids=["first layout", "second layout"])
def test_published_streams_load_and_their_logits_are_added(
    published: dict[str, dict[str, Tensor]], tmp_path: Path, second_layout: bool
) -> None:
    network = I3d(CLASSES).eval()
    for stream, tensors in published.items():
        torch.save(_second_layout(tensors) if second_layout else tensors, tmp_path / f"{stream}.pt")
    load_pretrained(network, [tmp_path / "flow.pt", tmp_path / "rgb.pt"], keep_classifier=True)
    # 17 frames leave three moments before the last pooling, and odd sizes make the padding uneven.
    clips = {
        "rgb": torch.rand(1, 3, 17, 31, 29) * 2 - 1,
        "flow": torch.rand(1, 2, 17, 31, 29) * 2 - 1,
    }
    with torch.inference_mode():
        expected = sum(logits(published[stream], clip) for stream, clip in clips.items())
        torch.testing.assert_close(network(**clips), expected, rtol=1e-4, atol=1e-4)


def test_one_stream_alone(published: dict[str, dict[str, Tensor]], tmp_path: Path) -> None:
    torch.save(published["flow"], tmp_path / "flow.pt")
    network = I3d(CLASSES, ["flow"]).eval()
    load_pretrained(network, [tmp_path / "flow.pt"], keep_classifier=True)
    clip = torch.rand(1, 2, 16, 32, 32)
    with torch.inference_mode():
        torch.testing.assert_close(
            network(flow=clip), logits(published["flow"], clip), rtol=1e-4, atol=1e-4
        )


def test_a_missing_stream_is_named(published: dict[str, dict[str, Tensor]], tmp_path: Path) -> None:
    torch.save(published["rgb"], tmp_path / "rgb.pt")
    with pytest.raises(ModelFileError, match=r"rgb\.pt.*missing \(such as 'flow\."):
        load_pretrained(I3d(CLASSES), [tmp_path / "rgb.pt"], keep_classifier=True)


@given(st.integers(1, 300), st.integers(1, 7), st.integers(1, 3))
def test_padding_same_keeps_every_stride(length: int, kernel: int, stride: int) -> None:
    before, after = same_padding([length], [kernel], [stride])
    assert 0 <= after - before <= 1
    padded = length + before + after
    assert padded >= kernel or before + after == 0
    if padded >= kernel:
        assert (padded - kernel) // stride + 1 == -(-length // stride)
