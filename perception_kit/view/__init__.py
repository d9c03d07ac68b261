# SPDX-License-Identifier: Apache-2.0
"""Shows images and results in the Rerun viewer: live as a page, or in a file to open later."""

import os

os.environ.setdefault("RERUN_ANALYTICS", "0")  # no telemetry; read when Rerun is imported
