# SPDX-License-Identifier: Apache-2.0
"""What more than one node needs: geometry, images, model files, bags, the synthetic world, metrics
and replay.
"""
