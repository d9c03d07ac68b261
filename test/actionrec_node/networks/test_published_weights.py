# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.models import resnet50, resnet101, resnet152

from actionrec_node import convert
from actionrec_node.networks.action_model import ActionModel, load_action_model, save_action_model
from actionrec_node.networks.action_model_spec import ActionModelSpec
from actionrec_node.networks.architectures import ARCHITECTURES, find_architecture
from actionrec_node.networks.fine_tuning import freeze, frozen_prefixes, train_mode
from actionrec_node.networks.published_weights import load_pretrained, read_tensors
from perception_kit.networks.model_metadata import ModelFileError, read_metadata


def _network(classes: int) -> nn.Module:
    return find_architecture("resnext3d_compact").build(classes)


def test_a_checkpoint_of_other_classes_fills_all_but_the_head(tmp_path: Path) -> None:
    published = _network(7).state_dict()
    tensors = {f"module.{name}": tensor for name, tensor in published.items()}
    torch.save({"arch": "x", "state_dict": tensors}, tmp_path / "c.pth")

    network = _network(3)
    head = network.fc.weight.clone()
    load_pretrained(network, [tmp_path / "c.pth"], keep_classifier=False)
    assert torch.equal(network.fc.weight, head)
    assert torch.equal(network.layer4[0].conv2.weight, published["layer4.0.conv2.weight"])

    message = r"c\.pth' do not fit.*2 of another shape \(such as 'fc\.bias'\)"
    with pytest.raises(ModelFileError, match=message):
        load_pretrained(network, [tmp_path / "c.pth"], keep_classifier=True)


class _Code:
    def __reduce__(self) -> tuple:
        return (print, ("code from a checkpoint runs",))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"no checkpoint", "is no checkpoint of PyTorch"),
        (pickle.dumps(_Code()), "is not a checkpoint of tensors"),
    ],
    ids=["empty", "text", "code"],
)
def test_a_file_that_is_no_checkpoint_is_named_and_its_code_does_not_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, reason: str
) -> None:
    (tmp_path / "odd.pth").write_bytes(content)
    with pytest.raises(ModelFileError, match=rf"odd\.pth' {reason}"):
        read_tensors(tmp_path / "odd.pth")
    assert "runs" not in capsys.readouterr().out


def test_a_checkpoint_without_tensors_is_named(tmp_path: Path) -> None:
    torch.save({"epoch": 3}, tmp_path / "odd.pth")
    with pytest.raises(ModelFileError, match=r"odd\.pth' holds no state dict.*found \['epoch'\]"):
        read_tensors(tmp_path / "odd.pth")


def test_frozen_stages_keep_weights_and_statistics() -> None:
    network = _network(3)
    prefixes = frozen_prefixes(network, "layer2")
    freeze(network, prefixes)
    train_mode(network, prefixes)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    optimizer = torch.optim.SGD(
        [parameter for parameter in network.parameters() if parameter.requires_grad], lr=0.1
    )
    network(torch.randn(2, 3, 8, 32, 32)).square().sum().backward()
    optimizer.step()
    changed = {
        name.split(".")[0]
        for name, tensor in network.state_dict().items()
        if not torch.equal(tensor, before[name])
    }
    assert changed == {"layer3", "layer4", "fc"}


def test_stages_that_cannot_be_frozen_are_named() -> None:
    for stage in ("fc", "layer9"):
        with pytest.raises(
            ValueError, match=rf"cannot freeze up to '{stage}', expected one of conv1, layer1"
        ):
            frozen_prefixes(_network(3), stage)


@pytest.mark.parametrize("name", list(ARCHITECTURES))
def test_stages_of_every_network_name_each_tensor_once(name: str) -> None:
    with torch.device("meta"):
        network = find_architecture(name).build(3)
    prefixes = [prefix for stage in network.STAGES.values() for prefix in stage]
    assert all(
        sum(tensor.startswith(prefix) for prefix in prefixes) == 1
        for tensor in network.state_dict()
    )


def test_converting_a_checkpoint_to_a_model_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    published = _network(3).eval()
    torch.save(published.state_dict(), tmp_path / "c.pth")
    (tmp_path / "classes.txt").write_text("abseiling\njogging\n\nyoga\n")
    checkpoint, classes = str(tmp_path / "c.pth"), str(tmp_path / "classes.txt")
    arguments = [checkpoint, "--architecture", "resnext3d_compact", "--classes", classes]
    out = tmp_path / "m.safetensors"
    assert convert.main([*arguments, "--clip-fps", "30", "--out", str(out)]) == 0

    model = load_action_model(out)
    assert model.spec.class_names == ("abseiling", "jogging", "yoga")
    assert (model.spec.clip_fps, model.spec.resize) == (30.0, "center")
    clip = np.random.default_rng(0).integers(0, 256, (16, 112, 112, 3), np.uint8)
    with torch.inference_mode():
        normalized = torch.from_numpy((clip / 255 - 0.45) / 0.25).float()
        logits = published(normalized.permute(3, 0, 1, 2)[None])
    np.testing.assert_allclose(model.probabilities([clip]), logits.softmax(dim=1), atol=1e-5)

    (tmp_path / "classes.txt").write_text("jogging\njogging\n")
    assert convert.main([*arguments, "--out", str(tmp_path / "n.safetensors")]) == 2
    assert "repeated: ['jogging']" in capsys.readouterr().err


def test_alarm_classes_of_a_model_file_are_set_and_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = ActionModelSpec("resnext3d_compact", ("Fall Down", "Lying", "walking"), clip_fps=10.0)
    save_action_model(tmp_path / "m.safetensors", ActionModel(spec))
    source, out = str(tmp_path / "m.safetensors"), tmp_path / "out.safetensors"
    assert load_action_model(source).spec.alarms == ()

    assert convert.main([source, "--alarm-class", "Fall Down", "--out", str(out)]) == 0
    model = load_action_model(out)
    assert model.spec == replace(spec, alarm_classes=("Fall Down",))
    for name, tensor in load_action_model(source).state_dict().items():
        assert torch.equal(model.state_dict()[name], tensor)

    assert convert.main([source, "--alarm-class", "falling", "--out", str(out)]) == 2
    assert "['falling'] are none of the classes 'Fall Down'" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        convert.main([source, "--architecture", "resnext3d_compact", "--out", str(out)])


def test_a_model_file_without_alarm_classes_has_those_of_earlier_versions(model_path: Path) -> None:
    assert "alarm_classes" not in read_metadata(model_path)
    assert load_action_model(model_path).spec.alarms == ("falling",)


def test_plain_3d_resnets_are_those_of_two_dimensions_with_time() -> None:
    for depth, flat in ((50, resnet50), (101, resnet101), (152, resnet152)):
        with torch.device("meta"):
            network = find_architecture(f"resnet3d_{depth}").build(400)
            expected = flat(num_classes=400).state_dict()
        tensors = network.state_dict()
        assert tensors.keys() == expected.keys()
        for name, tensor in tensors.items():
            shape = tensor.shape[:2] + tensor.shape[3:] if tensor.ndim == 5 else tensor.shape
            assert shape == expected[name].shape


@pytest.mark.parametrize(
    ("names", "network"),
    [
        (["layer1.0.conv1.weight", "layer1.0.conv2.weight"], "a 3D ResNet-18 or -34"),
        (["conv1_s.weight", "layer1.0.conv1_s.weight"], r"R\(2\+1\)D"),
        (["stem.0.weight", "layer1.0.conv1.0.weight"], "a video ResNet of torchvision"),
        (["s1.pathway0_stem.conv.weight"], "SlowFast"),
    ],
)
def test_networks_that_are_not_supported_are_named_with_those_that_are(
    tmp_path: Path, names: list[str], network: str
) -> None:
    torch.save({name: torch.zeros(2) for name in names}, tmp_path / "c.pth")
    message = rf"they are those of {network}, which is not supported.* resnet3d_50.*resnext3d_101"
    with pytest.raises(ModelFileError, match=message):
        load_pretrained(_network(3), [tmp_path / "c.pth"], keep_classifier=False)
