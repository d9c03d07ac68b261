# SPDX-License-Identifier: Apache-2.0
"""The terminal table and the HTML pages of replays; each page is one file for any browser."""
