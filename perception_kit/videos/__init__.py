# SPDX-License-Identifier: Apache-2.0
"""Video files and folders of pictures as frames with times."""
