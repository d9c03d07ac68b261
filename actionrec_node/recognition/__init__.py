# SPDX-License-Identifier: Apache-2.0
"""Live action recognition: clip buffers, people joined from tracks, and a decision per person."""
