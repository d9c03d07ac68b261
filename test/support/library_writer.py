# SPDX-License-Identifier: Apache-2.0
"""Writes tags into a library, to be killed at any time: LIBRARY SOURCE TAGS_AT_A_TIME TIMES.

Prints the number of tags after each write.
"""

from __future__ import annotations

import sys

from video_search import Library, Source, Tag


def main() -> None:
    """Write until killed, or until the given number of rounds is done."""
    uri, source, batch, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    library = Library.open(uri)
    library.put_source(Source(source, source, "live", state="live", clock="wall"))
    for number in range(rounds):
        tags = [
            Tag(source, number, number + 1, "object", f"thing{place}", thumbnail=bytes(2000))
            for place in range(batch)
        ]
        library.add(tags)
        print((number + 1) * batch, flush=True)


if __name__ == "__main__":
    main()
