# SPDX-License-Identifier: Apache-2.0
"""Several pose hypotheses per object: registered to the depth, then judged by depth and color."""
