# SPDX-License-Identifier: Apache-2.0
"""Search of recordings and videos: tags of what is seen, done and said, and when."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
