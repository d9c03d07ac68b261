# SPDX-License-Identifier: Apache-2.0
"""Finds moments in a library, such as those of "mug near the person".

usage: python examples/find_moments.py LIBRARY WORDS
"""

import sys
from pathlib import Path

from video_search import Library, Query

if len(sys.argv) != 3 or not Path(sys.argv[1]).exists():
    sys.exit(__doc__)
library = Library.open(sys.argv[1])
result = library.find(Query(sys.argv[2], limit=5))
for moment in result:
    seconds = (moment.start_ns - moment.source.start_ns) * 1e-9
    print(f"{moment.score:.2f} {moment.source.uri} at {seconds:.1f} s: {'; '.join(moment.reasons)}")
print(*result.remarks, sep="\n")
