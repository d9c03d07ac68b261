# SPDX-License-Identifier: Apache-2.0
"""Action recognition (3D-ResNeXt, two-stream I3D) and fall alarms."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
