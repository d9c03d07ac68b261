# SPDX-License-Identifier: Apache-2.0
"""RoIAlign (He et al., "Mask R-CNN", ICCV 2017, section 3) as one weighted gather, for CPUs.

Every bin of every region is a weighted sum of pixels: ``sampling_ratio`` squared sample points,
each interpolated between four pixels. All bins of all pyramid levels are one ``embedding_bag`` over
a table whose rows are the pixels' features, which are then read one after another; torchvision's
own operator walks through each channel separately.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional
from torchvision.ops import MultiScaleRoIAlign

_TABLE = "table"  # what a pyramid may hold beside its levels


def with_table(levels: Mapping[str, Tensor], names: Sequence[str]) -> dict[str, Tensor]:
    """The pyramid ``levels`` with the table of those that ``names`` lists.

    Each ``GatherRoIAlign`` over these levels makes the table by itself where it is not there.
    """
    return {**levels, _TABLE: _feature_table([levels[name] for name in names])}


class GatherRoIAlign(MultiScaleRoIAlign):
    """torchvision's ``MultiScaleRoIAlign``, faster where no gradients are needed on a CPU.

    The sums are the same.
    """

    def forward(
        self, x: dict[str, Tensor], boxes: list[Tensor], image_shapes: list[tuple[int, int]]
    ) -> Tensor:
        """(R, C, P, P) features of the R ``boxes`` of all images.

        ``boxes`` are lists of (N, 4) in pixels of the images.
        """
        features = [x[name] for name in self.featmap_names]
        is_on_cpu = features[0].device.type == "cpu"
        is_one_image = len(boxes) == 1 and len(boxes[0]) > 0
        if torch.is_grad_enabled() or not is_on_cpu or not is_one_image:
            return super().forward(x, boxes, image_shapes)

        # torchvision derives the levels' scales in its first call.
        if self.scales is None:
            super().forward(x, [boxes[0][:1]], image_shapes)

        # The pyramid level of each box, by its size (Lin et al. 2017, equation 1).
        if len(features) > 1:
            levels = self.map_levels(boxes)
        else:
            levels = boxes[0].new_zeros(len(boxes[0]), dtype=torch.long)

        table = x[_TABLE] if _TABLE in x else _feature_table(features)
        shapes = [level.shape[2:] for level in features]
        return gather_roi_align(
            table, shapes, boxes[0], levels, self.scales, self.output_size[0], self.sampling_ratio
        )


def _feature_table(features: Sequence[Tensor]) -> Tensor:
    """(K, C) features of all pixels of the pyramid [(1, C, H, W), ...], level after level."""
    return torch.cat([level[0].flatten(1).T for level in features])


def gather_roi_align(
    table: Tensor,
    shapes: Sequence[torch.Size],
    boxes: Tensor,
    levels: Tensor,
    scales: list[float],
    size: int,
    ratio: int,
) -> Tensor:
    """(R, C, size, size) features of ``boxes`` (R, 4) pixels, each from its level of the pyramid.

    ``table`` (K, C) are the features of all levels, whose ``shapes`` are (H, W); ``levels`` (R,)
    number of each box's level; ``scales`` feature pixels per image pixel of each level; ``ratio``
    sample points along a bin.
    The result is that of ``torchvision.ops.roi_align`` with ``aligned=False``.
    """
    # Where in the table the level of each box begins.
    first_row = torch.tensor([0, *(shape.numel() for shape in shapes)]).cumsum(0)[levels]

    # The pixels of each bin along both axes.
    height, width = torch.tensor([*map(list, shapes)])[levels].unbind(1)
    placed = boxes * torch.tensor(scales)[levels].unsqueeze(1)
    rows, row_weights = _taps(placed[:, 1], placed[:, 3], height, size, ratio)
    columns, column_weights = _taps(placed[:, 0], placed[:, 2], width, size, ratio)

    # Bilinear interpolation: each row tap with each column tap, (R, bin y, bin x, tap y, tap x).
    index = (
        first_row.view(-1, 1, 1, 1, 1)
        + rows.unsqueeze(2).unsqueeze(4) * width.view(-1, 1, 1, 1, 1)
        + columns.unsqueeze(1).unsqueeze(3)
    )
    weight = row_weights.unsqueeze(2).unsqueeze(4) * column_weights.unsqueeze(1).unsqueeze(3)

    taps = index.shape[3] * index.shape[4]
    pooled = functional.embedding_bag(
        index.reshape(-1, taps), table, per_sample_weights=weight.reshape(-1, taps), mode="sum"
    )
    return pooled.view(len(boxes), size, size, -1).permute(0, 3, 1, 2)


def _taps(
    low: Tensor, high: Tensor, extent: Tensor, size: int, ratio: int
) -> tuple[Tensor, Tensor]:
    """Pixels along one axis that each bin takes, and their weights, both (R, size, 2 * ratio).

    For sides from ``low`` to ``high`` (R,). Sample points further than one pixel outside of the
    ``extent`` (R,) of the level weigh nothing, nearer ones take the border pixel.
    """
    # Sample points, evenly in the side.
    step = (high - low).clamp(min=1.0) / (size * ratio)
    point = low.unsqueeze(1) + (torch.arange(size * ratio) + 0.5) * step.unsqueeze(1)
    weight = ((point >= -1) & (point <= extent.unsqueeze(1))).to(point.dtype) / ratio

    # The two pixels around each.
    last = (extent - 1).unsqueeze(1)
    point = torch.minimum(point.clamp(min=0), last.to(point.dtype))
    before = point.long()
    after = torch.minimum(before + 1, last)
    fraction = point - before

    pixels = torch.stack([before, after], dim=2)
    weights = torch.stack([(1 - fraction) * weight, fraction * weight], dim=2)
    return pixels.view(-1, size, 2 * ratio), weights.view(-1, size, 2 * ratio)
