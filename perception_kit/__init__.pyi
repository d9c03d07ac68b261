# SPDX-License-Identifier: Apache-2.0
from .datasets.opener import open_dataset as open_dataset
from .datasets.opener import open_models as open_models
from .drawing import draw_overlay as draw_overlay
from .networks.model_file import read_model as read_model
from .networks.model_metadata import read_metadata as read_metadata
from .types import ActionEstimate as ActionEstimate
from .types import FrameResults as FrameResults
from .types import Instance as Instance
from .types import Intrinsics as Intrinsics
from .types import PoseEstimate as PoseEstimate
from .types import TrackEstimate as TrackEstimate
from .types import TrackState as TrackState
