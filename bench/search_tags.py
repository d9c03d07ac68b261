# SPDX-License-Identifier: Apache-2.0
"""Random tags to fill stores with, and what to ask of them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from video_search.schema import DESCRIPTOR_SIZE, TAGS

LABELS, WORDS, SOURCES, CLUSTERS = 80, 5000, 100, 400


class Tags:
    """Random tags: labels and words are Zipf-distributed, descriptors lie in clusters."""

    def __init__(self, count: int) -> None:
        rng = np.random.default_rng(count)
        self.label = np.minimum(rng.zipf(1.3, count), LABELS) - 1
        self.source = rng.integers(0, SOURCES, count)
        self.start = rng.integers(0, 86_400_000_000_000, count)
        self.confidence = rng.random(count).astype(np.float32)
        words = np.minimum(rng.zipf(1.2, (count, 6)), WORDS)
        self.text = [" ".join(f"w{word}" for word in row) for row in words]
        centers = rng.standard_normal((CLUSTERS, DESCRIPTOR_SIZE)).astype(np.float32)
        self.descriptor = centers[rng.integers(0, CLUSTERS, count)]
        self.descriptor += 0.6 * rng.standard_normal(self.descriptor.shape, np.float32)
        self.descriptor /= np.linalg.norm(self.descriptor, axis=1, keepdims=True)

    def __len__(self) -> int:
        return len(self.label)

    def queries(self, count: int) -> list[tuple[int, int, str, np.ndarray]]:
        """Label, earliest time, word and descriptor of each query."""
        rng = np.random.default_rng(1)
        picked = rng.integers(0, len(self), count)
        noise = 0.03 * rng.standard_normal((count, DESCRIPTOR_SIZE)).astype(np.float32)
        vectors = self.descriptor[picked] + noise
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return [
            (
                int(self.label[i]),
                int(rng.integers(0, 40_000_000_000_000)),
                self.text[i].split()[0],
                v,
            )
            for i, v in zip(picked, vectors, strict=True)
        ]


def library_rows(tags: Tags, rows: slice, first: int) -> pa.Table:
    """Rows of the library's table."""
    count = len(tags.label[rows])
    values = pa.array(tags.descriptor[rows].reshape(-1))
    columns = {
        "id": [f"{number:032x}" for number in range(first, first + count)],
        "source": [f"s{number}" for number in tags.source[rows]],
        "start_ns": tags.start[rows],
        "end_ns": tags.start[rows] + 1_000_000_000,
        "kind": ["object"] * count,
        "label": [f"label{label}" for label in tags.label[rows]],
        "confidence": tags.confidence[rows],
        "best_ns": tags.start[rows],
        "text": tags.text[rows],
        "descriptor": pa.FixedSizeListArray.from_arrays(values, DESCRIPTOR_SIZE),
        "descriptor_size": np.full(count, DESCRIPTOR_SIZE, np.int32),
        "space": ["bench"] * count,
        "producer": ["bench"] * count,
        "track_id": np.full(count, -1),
        "number": np.arange(first, first + count),
        "frame_id": [""] * count,
        "color": [""] * count,
        "thumbnail": [b""] * count,
    }
    arrays = [
        pa.array(columns[field.name], field.type)
        if field.name in columns and not isinstance(columns[field.name], pa.Array)
        else columns.get(field.name, pa.nulls(count, field.type))
        for field in TAGS
    ]
    return pa.Table.from_arrays(arrays, schema=TAGS)
