# SPDX-License-Identifier: Apache-2.0
from .config import TrackerConfig as TrackerConfig
from .deep_sort import DeepSort as DeepSort
