# SPDX-License-Identifier: Apache-2.0
"""Every reader of a file ends in success or in its own error, whatever the file holds.

Each has a valid file, which is damaged in ``FUZZ_FILES`` ways (25), the same in every run. By hand:
``FUZZ_FILES=5000 ./run pytest test/test_reader_fuzz.py``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pytest
import torch
import yaml
from dataset_layouts import write_linemod, write_obj, write_scene, write_ycb_video
from hostile_files import damaged
from mesh_files import box
from moving_square import write_moving_square

from actionrec_node.convert import read_class_names
from actionrec_node.data.annotations import DataError, read_annotations
from actionrec_node.data.exports import read_export
from actionrec_node.data.person_boxes import read_boxes
from actionrec_node.networks.action_model_spec import read_spec
from actionrec_node.networks.published_weights import read_tensors
from actionrec_node.sweep import SweepError, read_sweep
from perception_kit.bags.bag import BagError, BagReader
from perception_kit.bags.camera_file import read_camera_file
from perception_kit.datasets.files import DatasetError, read_color, read_depth
from perception_kit.datasets.mesh_file import MeshError, read_mesh
from perception_kit.datasets.opener import open_dataset
from perception_kit.evaluation.frame_records import read_frame_records
from perception_kit.evaluation.ground_truth_actions import GroundTruthError, read_segments
from perception_kit.networks.model_file import read_model, save_model
from perception_kit.networks.model_metadata import ModelFileError, read_metadata
from perception_kit.resources import package_folder
from perception_kit.ros.node_processes import BringupError, camera_remappings, read_parameters
from perception_kit.ros.transport import ProfileError, segment_bytes
from perception_kit.state_file import StateFileError, read_state, write_state
from perception_kit.training.checkpoint import CHECKPOINT_FORMAT, load_checkpoint
from perception_kit.training.run import TrainingError
from perception_kit.videos.video import VideoError, VideoFormat, read_video
from pose6d_node.published_weights import read_published_weights
from tracker_node.descriptors import read_deep_sort_array
from tracker_node.kitti_files import KittiFileError, read_detections, read_labels
from tracker_node.motchallenge import MotFileError, read_mot
from video_search.pictures import PictureError, read_picture
from video_search.texts import TextError, read_texts
from video_search.vocabulary import VocabularyError, read_vocabulary

FILES = int(os.environ.get("FUZZ_FILES", "25"))
K = "{rows: 3, cols: 3, data: [500, 0, 8, 0, 510, 6, 0, 0, 1]}"
IMAGES = [{"id": 1, "file_name": "1.png", "width": 16, "height": 12}]
OUTLINE = {"segmentation": [[2, 2, 9, 2, 9, 9]], "bbox": [2, 2, 7, 7], "area": 24, "iscrowd": 0}
VOTT = [
    {
        "asset": {
            "name": f"video.mp4#t={time}",
            "timestamp": time,
            "parent": {"name": "video.mp4", "path": "file:video.mp4"},
        },
        "regions": [{"tags": [tag]}],
    }
    for time, tag in ((0.1, "falling"), (0.4, "end"))
]
SPAN = {"ranges": [{"start": 2, "end": 9}], "timelinelabels": ["falling"]}
LABEL_STUDIO = {"id": 7, "video": "video.mp4", "labels": [SPAN]}
CVAT = """<annotations><version>1.1</version><meta><task><id>4</id><start_frame>0</start_frame>
<source>video.mp4</source></task></meta><track id='0' label='falling'>
<box frame='2' outside='0' keyframe='1'/><box frame='9' outside='1' keyframe='1'/>
</track></annotations>"""


class Reader(NamedTuple):
    """Writes a valid file into a folder and returns its path; reads it; what may be raised."""

    write: Callable[[Path], Path]
    read: Callable[[Path], Any]
    errors: tuple[type[Exception], ...]


def text(name: str, content: str) -> Callable[[Path], Path]:
    """Writer of a text file."""

    def write(folder: Path) -> Path:
        (folder / name).write_text(content)
        return folder / name

    return write


def beside_video(name: str, content: Any) -> Callable[[Path], Path]:
    """Writer of annotations, JSON where they are no text, beside a video of half a second."""

    def write(folder: Path) -> Path:
        write_moving_square(folder / "video.mp4", np.arange(12) / 24)
        return text(name, content if isinstance(content, str) else json.dumps(content))(folder)

    return write


def picture(name: str, pixels: np.ndarray) -> Callable[[Path], Path]:
    """Writer of a picture."""

    def write(folder: Path) -> Path:
        cv2.imwrite(str(folder / name), pixels)
        return folder / name

    return write


def mesh(ending: str) -> Callable[[Path], Path]:
    """Writer of a box."""

    def write(folder: Path) -> Path:
        box().export(folder / f"box.{ending}")
        return folder / f"box.{ending}"

    return write


def textured(name: str) -> Callable[[Path], Path]:
    """Writer of an OBJ file with its material and texture, of which ``name`` is damaged."""

    def write(folder: Path) -> Path:
        write_obj(folder)
        return folder / name

    return write


def in_dataset(make: Callable[[Path], Any], name: str) -> Callable[[Path], Path]:
    """Writer of a dataset of which the file ``name`` is damaged."""

    def write(folder: Path) -> Path:
        make(folder)
        return folder / name

    return write


def coco(folder: Path) -> None:
    """One photograph of one cup."""
    (folder / "annotations").mkdir()
    (folder / "images" / "train").mkdir(parents=True)
    cv2.imwrite(str(folder / "images" / "train" / "1.png"), np.full((12, 16, 3), 90, np.uint8))
    annotations = [{"id": 1, "image_id": 1, "category_id": 1, **OUTLINE}]
    content = {"images": IMAGES, "annotations": annotations}
    content |= {"categories": [{"id": 1, "name": "cup"}]}
    (folder / "annotations" / "instances_train.json").write_text(json.dumps(content))


def yolo(folder: Path) -> None:
    """One photograph of one cup."""
    for name in ("images", "labels"):
        (folder / name / "train").mkdir(parents=True)
    cv2.imwrite(str(folder / "images" / "train" / "1.png"), np.full((12, 16, 3), 90, np.uint8))
    (folder / "labels" / "train" / "1.txt").write_text("0 0.1 0.1 0.6 0.1 0.6 0.7\n")
    (folder / "data.yaml").write_text("train: images/train\nnames: [cup]\n")


def read_dataset(levels: int) -> Callable[[Path], Any]:
    """Reader of all frames of the dataset that a file is in, ``levels`` folders down."""

    def read(path: Path) -> None:
        dataset = open_dataset(path.parents[levels])
        for index in range(len(dataset)):
            dataset.color_and_labels(index)
            dataset.instances(index)

    return read


def bag(name: str) -> Callable[[Path], Path]:
    """Writer of a bag of results, of which the file ``name`` is damaged."""

    def write(folder: Path) -> Path:
        from result_bags import write_result_bag

        write_result_bag(folder / "bag", frames=2)
        (found,) = (folder / "bag").glob(name)
        return found

    return write


def read_bag(path: Path) -> None:
    """All messages of the bag that a file belongs to."""
    with BagReader(path.parent) as reader:
        for _ in reader.messages(list(reader.topics)):
            pass


def model(folder: Path) -> Path:
    """A model file with the description of the demo's, and a small tensor."""
    metadata = read_metadata(package_folder() / "models" / "demo" / "action.safetensors")
    save_model(folder / "m.safetensors", "action", {"weight": torch.zeros(2, 3)}, metadata)
    return folder / "m.safetensors"


def pickled(folder: Path) -> Path:
    """Weights as PyTorch writes them."""
    content = {"state_dict": {"fc.weight": torch.zeros(2, 3)}, "format": CHECKPOINT_FORMAT}
    torch.save({**content, "identity": {}}, folder / "w.pt")
    return folder / "w.pt"


def square(folder: Path) -> Path:
    """A video of half a second."""
    return write_moving_square(folder / "video.mp4", np.arange(12) / 24)


def npy(folder: Path) -> Path:
    """An array of Deep SORT: ten columns and descriptors."""
    rows = np.hstack([np.tile([[1, -1, 5, 5, 9, 9, 0.9, -1, -1, -1]], (3, 1)), np.eye(3, 128)])
    np.save(folder / "detections.npy", rows)
    return folder / "detections.npy"


def state(folder: Path) -> Path:
    """The state of a tracker."""
    write_state(folder / "s.json", "tracker", {"next_id": 3, "tracks": [{"id": 1, "box": [1.0]}]})
    return folder / "s.json"


FRAME = {"number": 0, "stamp_ns": 5, "picture": 0, "latency_ms": {"detections": 3.0}}
RGB, GRAY = np.full((12, 16, 3), 90, np.uint8), np.full((12, 16), 900, np.uint16)
SUBTITLES = "1\n00:00:00,500 --> 00:00:01,500\nHello\n"
WITHOUT_VALID = ("published weights",)  # their networks are too large
READERS = {
    "bag, MCAP": Reader(bag("*.mcap"), read_bag, (BagError,)),
    "bag, metadata": Reader(bag("metadata.yaml"), read_bag, (BagError,)),
    "camera file": Reader(
        text("c.yaml", f"image_width: 16\nimage_height: 12\ncamera_matrix: {K}\n"),
        read_camera_file,
        (BagError,),
    ),
    "picture, PNG": Reader(picture("p.png", RGB), read_color, (DatasetError,)),
    "picture, JPEG": Reader(picture("p.jpg", RGB), read_color, (DatasetError,)),
    "depth": Reader(picture("d.png", GRAY), lambda path: read_depth(path, 0.001), (DatasetError,)),
    "picture to search": Reader(picture("p.png", RGB), read_picture, (PictureError,)),
    **{
        f"mesh, {ending}": Reader(mesh(ending), read_mesh, (MeshError,))
        for ending in ("ply", "stl", "glb", "obj")
    },
    **{
        f"mesh with {name}": Reader(
            textured(name), lambda path: read_mesh(path.parent / "textured.obj"), (MeshError,)
        )
        for name in ("textured.obj", "textured.mtl", "texture.png")
    },
    **{
        f"BOP, {name}": Reader(
            in_dataset(write_scene, f"train/000002/{name}"), read_dataset(2), (DatasetError,)
        )
        for name in ("scene_gt.json", "scene_gt_info.json", "scene_camera.json")
    },
    "BOP, models_info": Reader(
        in_dataset(write_scene, "models/models_info.json"), read_dataset(1), (DatasetError,)
    ),
    "LineMOD, gt": Reader(
        in_dataset(lambda folder: write_linemod(folder, {1: 110.0}), "data/01/gt.yml"),
        read_dataset(2),
        (DatasetError,),
    ),
    "LineMOD, info": Reader(
        in_dataset(lambda folder: write_linemod(folder, {1: 110.0}), "data/01/info.yml"),
        read_dataset(2),
        (DatasetError,),
    ),
    "YCB-Video, meta": Reader(
        in_dataset(write_ycb_video, "data/0007/000001-meta.mat"), read_dataset(2), (DatasetError,)
    ),
    "COCO": Reader(
        in_dataset(coco, "annotations/instances_train.json"), read_dataset(1), (DatasetError,)
    ),
    "YOLO, labels": Reader(
        in_dataset(yolo, "labels/train/1.txt"), read_dataset(2), (DatasetError,)
    ),
    "YOLO, data.yaml": Reader(in_dataset(yolo, "data.yaml"), read_dataset(0), (DatasetError,)),
    "video": Reader(
        square, lambda path: list(read_video(path, VideoFormat(12.0, 64))), (VideoError,)
    ),
    "MOT": Reader(
        text("gt.txt", "1,1,10,20,30,40,1,1,0.9\n2,1,11,20,30,40,1,1,1\n"),
        read_mot,
        (MotFileError,),
    ),
    "Deep SORT's arrays": Reader(npy, read_deep_sort_array, (MotFileError, ValueError)),
    "KITTI, labels": Reader(
        text("0000.txt", "0 1 Pedestrian 0 0 -1.5 10 20 30 40 1.7 0.5 0.5 1 1 9 0.1\n"),
        read_labels,
        (KittiFileError,),
    ),
    "KITTI, detections": Reader(
        text("0000.txt", "0 -1 Pedestrian -1 -1 -10 10 20 30 40 -1 -1 -1 -1 -1 -1 -1 0.9\n"),
        read_detections,
        (KittiFileError,),
    ),
    "model, metadata": Reader(model, read_metadata, (ModelFileError,)),
    "model, action": Reader(model, read_spec, (ModelFileError,)),
    "model": Reader(model, lambda path: read_model(path, "action"), (ModelFileError,)),
    "published weights": Reader(
        pickled, lambda path: read_published_weights(path, None), (ModelFileError,)
    ),
    "published actions": Reader(pickled, read_tensors, (ModelFileError,)),
    "checkpoint": Reader(pickled, lambda path: load_checkpoint(path, {}), (TrainingError,)),
    "class names": Reader(text("c.txt", "falling\nwalking\n"), read_class_names, (ModelFileError,)),
    "sweep": Reader(
        text("s.yaml", yaml.safe_dump({"common": {"data": ["x"]}, "runs": {"a": {"epochs": 3}}})),
        read_sweep,
        (SweepError,),
    ),
    "labels of videos": Reader(
        beside_video("labels.csv", "video,start,end,label\nvideo.mp4,0.0,0.4,falling\n"),
        lambda path: read_annotations(path.parent),
        (DataError, VideoError),
    ),
    "boxes of people": Reader(
        beside_video("boxes.csv", "video,time,x_min,y_min,x_max,y_max\nvideo.mp4,0.0,1,2,3,4\n"),
        lambda path: read_boxes([path.parent]),
        (DataError,),
    ),
    "VoTT": Reader(
        beside_video("v.json", {"assets": dict(enumerate(VOTT)), "tags": [{"name": "falling"}]}),
        lambda path: read_export(path, "end"),
        (DataError, VideoError),
    ),
    "Label Studio": Reader(
        beside_video("l.json", [LABEL_STUDIO]),
        lambda path: read_export(path, "end", fps=25.0),
        (DataError, VideoError),
    ),
    "CVAT": Reader(
        beside_video("c.xml", CVAT),
        lambda path: read_export(path, "end"),
        (DataError, VideoError),
    ),
    "subtitles, SRT": Reader(text("t.srt", SUBTITLES), read_texts, (TextError,)),
    "subtitles, VTT": Reader(
        text("t.vtt", "WEBVTT\n\n00:00.500 --> 00:01.500\nHello\n"), read_texts, (TextError,)
    ),
    "texts, JSON": Reader(
        text("t.jsonl", '{"start": 0.5, "end": 1.5, "text": "Hello"}\n'), read_texts, (TextError,)
    ),
    "texts, CSV": Reader(
        text("t.csv", "start,end,text\n0.5,1.5,Hello\n"), read_texts, (TextError,)
    ),
    "vocabulary": Reader(text("v.yaml", "mug: [cup]\n"), read_vocabulary, (VocabularyError,)),
    "true actions": Reader(
        text("a.csv", "start,end,track_id,label\n0.0,1.0,-1,falling\n"),
        read_segments,
        (GroundTruthError,),
    ),
    "frame records": Reader(
        text("frames.json", json.dumps([FRAME])),
        read_frame_records,
        (OSError, ValueError, TypeError),
    ),
    "state": Reader(state, lambda path: read_state(path, "tracker"), (StateFileError,)),
    "parameters": Reader(
        text("p.yaml", "tracker_node:\n  ros__parameters: {max_age: 30}\n"),
        read_parameters,
        (BringupError,),
    ),
    "camera preset": Reader(
        text("c.yaml", "camera_namespace: a\ncolor/image_raw: color\n"),
        lambda path: camera_remappings(str(path)),
        (BringupError,),
    ),
    "profile of Fast DDS": Reader(
        text("p.xml", "<profiles><segment_size>4194304</segment_size></profiles>"),
        lambda path: segment_bytes({"FASTDDS_DEFAULT_PROFILES_FILE": str(path)}),
        (ProfileError,),
    ),
}


@pytest.mark.parametrize("name", READERS)
def test_a_damaged_file_is_read_or_refused(name: str, tmp_path: Path) -> None:
    reader = READERS[name]
    path = reader.write(tmp_path)
    if name not in WITHOUT_VALID:
        reader.read(path)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for number in range(FILES):
        content = damaged(whole, rng)
        path.write_bytes(content)
        try:
            reader.read(path)
        except reader.errors:
            continue
        except Exception as error:
            shown = content[:2000]
            raise AssertionError(f"{name}, file {number}, {error!r}: {shown!r}") from error


@pytest.mark.parametrize("name", READERS)
def test_a_pipe_in_place_of_a_file_is_not_waited_for(name: str, tmp_path: Path) -> None:
    reader = READERS[name]
    path = reader.write(tmp_path)
    path.unlink()
    os.mkfifo(path)
    with suppress(*reader.errors):  # some files may be missing
        reader.read(path)
