# SPDX-License-Identifier: Apache-2.0
"""Parameters of instance segmentation and pose estimation.

The ROS node declares its parameters from these fields and their metadata.
"""

from __future__ import annotations

from dataclasses import dataclass

from perception_kit.camera_config import CameraConfig
from perception_kit.datasets.mesh_units import MESH_UNITS, MeshUnit
from perception_kit.parameters import check_parameters, parameter
from perception_kit.resources import ROUNDING_RUNTIMES, check_device_name

HYPOTHESES = ("none", "network", "turns", "views")


@dataclass(frozen=True)
class Pose6dConfig(CameraConfig):
    """Parameters of the node, its camera and its algorithms, ``Segmenter`` and ``PoseEstimator``.

    Raises ValueError for a value outside its range and for a device that no machine has, TypeError
    for a value of another type than the default's.
    """

    # What runs, and where.
    segmentation_model: str = parameter(
        "",
        "segmentation model file (.safetensors, or package://PACKAGE/PATH); required",
        fixed=True,
    )
    pose_model: str = parameter(
        "",
        "pose model file (.safetensors, or package://PACKAGE/PATH); empty: detections only",
        fixed=True,
    )
    device: str = parameter(
        "auto", "cpu, cuda, cuda:N, or auto: the GPU where there is one", fixed=True
    )
    runtime: str = parameter(
        "auto",
        "what runs the networks on a CPU; auto is openvino, which is faster, where it is installed"
        " and works, for networks that were measured with it in bfloat16",
        choices=ROUNDING_RUNTIMES,
        fixed=True,
    )
    threads: int = parameter(
        0, "CPU threads of each network, 0: one for each core", 0, 256, fixed=True
    )

    # Segmentation.
    score_threshold: float = parameter(
        0.5, "detections with a lower class probability are dropped", 0.0, 1.0
    )
    max_detections: int = parameter(
        50, "largest number of detections in a frame", 1, 1000, fixed=True
    )

    # Pose estimation.
    refine_iterations: int = parameter(
        2, "passes of DenseFusion's refiner; more are slower and more precise", 0, 20
    )
    hypotheses: str = parameter(
        "views",
        "poses that are registered to the depth and judged by depth and colors, each with those"
        " before it: none, network, turns (that the shape nearly allows), views (of the model,"
        " where the depth contradicts the others); more than none needs a model with surfaces",
        choices=HYPOTHESES,
    )
    last_poses: bool = parameter(
        True,
        "also look at the poses of the last frame, if it is at most 1 s old: what stands still does"
        " not jump; not with hypotheses none",
    )
    icp: bool = parameter(
        False,
        "register each pose to the depth by Open3D after the refiner; only with hypotheses none, as"
        " others are registered anyway",
    )
    min_confidence: float = parameter(
        0.005, "poses that agree less with mask and depth are not published", 0.0, 1.0
    )

    # Input and output.
    slop: float = parameter(
        0.03,
        "largest difference of the stamps of colour and depth, s",
        0.0,
        1.0,
        fixed=True,
    )
    publish_vision_msgs: bool = parameter(
        True,
        "also publish ~/detections_2d and ~/detections_3d of vision_msgs while somebody"
        " subscribes, where vision_msgs is installed",
        fixed=True,
    )
    target_frame: str = parameter(
        "",
        "TF frame, such as base_link, in which ~/target_poses and ~/detections_3d are published,"
        " too; empty: no ~/target_poses, and ~/detections_3d in the camera's optical frame",
        fixed=True,
    )
    mesh_folder: str = parameter(
        "",
        "folder of models (a path, or package://PACKAGE/PATH) with the meshes that RViz shows: of"
        " BOP, or one mesh or sub-folder per object; empty: boxes",
        fixed=True,
    )
    mesh_unit: MeshUnit = parameter(  # noqa: RUF009 -- a Literal is immutable
        "auto",
        f"unit of the meshes, one of {', '.join(MESH_UNITS)}: auto is the one that their format or"
        " BOP states, else metres or millimetres where their size leaves no doubt",
        choices=MESH_UNITS,
        fixed=True,
    )

    def __post_init__(self) -> None:
        check_parameters(self)
        check_device_name(self.device)
