# SPDX-License-Identifier: Apache-2.0
"""What the person in a video is doing, clip by clip.

usage: python examples/recognize_actions.py VIDEO
"""

import sys
from pathlib import Path

import av

from actionrec_node import ActionRecognizer

if len(sys.argv) != 2 or not Path(sys.argv[1]).exists():
    sys.exit(__doc__)
recognizer = ActionRecognizer("package://assistant_perception/models/demo/action.safetensors")
with av.open(sys.argv[1]) as video:
    for frame in video.decode(video=0):
        rgb, seconds = frame.to_ndarray(format="rgb24"), frame.time
        for action in recognizer.push(rgb, stamp_ns=round(seconds * 1e9)):
            print(f"{seconds:.2f} s: {action.label} {action.score:.2f}")
