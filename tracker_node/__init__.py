# SPDX-License-Identifier: Apache-2.0
"""Multi-object tracking (Deep SORT) in the image and in 3D."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
