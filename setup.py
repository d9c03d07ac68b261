# SPDX-License-Identifier: Apache-2.0
"""The Python packages, for use without a ROS build; their executables are in ``setup.cfg``."""

from setuptools import find_packages, setup

PACKAGES = ("perception_kit", "pose6d_node", "tracker_node", "actionrec_node", "video_search")

setup(
    name="assistant-perception",
    version="0.1.0",
    description=(
        "6D object pose, tracking and action recognition for a robot assistant with an RGB-D camera"
    ),
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=find_packages(
        include=[
            f"{name}{sub}"
            for name in (
                "perception_kit",
                "pose6d_node",
                "tracker_node",
                "actionrec_node",
                "video_search",
            )
            for sub in ("", ".*")
        ]
    ),
    package_data={"": ["*.pyi", "py.typed", "*.css", "*.html", "*.js", "*.yaml"]},
)
