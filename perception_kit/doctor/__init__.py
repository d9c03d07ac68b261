# SPDX-License-Identifier: Apache-2.0
"""Says what would go wrong with a camera, a bag or a configuration before anybody wonders why
nothing comes out.
"""
