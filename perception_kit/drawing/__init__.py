# SPDX-License-Identifier: Apache-2.0
"""Results drawn on the image: masks, boxes, identities, poses and actions."""

from perception_kit.drawing.annotations import draw_caption, draw_outline
from perception_kit.drawing.overlay import draw_overlay

__all__ = ["draw_caption", "draw_outline", "draw_overlay"]
