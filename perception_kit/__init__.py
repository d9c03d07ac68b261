# SPDX-License-Identifier: Apache-2.0
"""What the nodes share: types, drawing, model files, bags, datasets, metrics and replay."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
