# SPDX-License-Identifier: Apache-2.0
"""Model files with self-describing metadata, and the runtimes that execute them."""

import sys
from types import ModuleType
from typing import cast

# Where this can be imported, OpenVINO and NNCF report each conversion of a network to their makers,
# by processes forked from the node. Where it cannot, they do without.
sys.modules["openvino_telemetry"] = cast(ModuleType, None)
