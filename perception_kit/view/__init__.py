# SPDX-License-Identifier: Apache-2.0
"""What the nodes see, in the Rerun viewer: a file to look at later, or a page in a browser while
the robot runs.
"""

import os

os.environ.setdefault("RERUN_ANALYTICS", "0")  # no telemetry; read when Rerun is imported
