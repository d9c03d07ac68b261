# SPDX-License-Identifier: Apache-2.0
from .densefusion.predictor import PoseEstimator as PoseEstimator
from .segmentation.predictor import Segmenter as Segmenter
