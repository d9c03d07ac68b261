# SPDX-License-Identifier: Apache-2.0
from .config import Pose6dConfig as Pose6dConfig
from .densefusion.predictor import PoseEstimator as PoseEstimator
from .segmentation.predictor import Segmenter as Segmenter
