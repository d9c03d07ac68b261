# SPDX-License-Identifier: Apache-2.0
"""What ``pyproject.toml`` cannot say: the version of ``package.xml``, and data beside the code."""

from pathlib import Path
from xml.etree import ElementTree

from setuptools import find_packages, setup

PACKAGES = ("perception_kit", "pose6d_node", "tracker_node", "actionrec_node", "video_search")
# Folders that perception_kit.resources.package_folder() finds in a wheel.
SHARE = "perception_kit.share"
DATA = ("config", "launch", "models", "msg", "srv")

root = Path(__file__).parent
folders = [
    path.relative_to(root)
    for name in DATA
    for path in (root / name, *(root / name).rglob("*"))
    if path.is_dir() and path.name != "__pycache__"
]

setup(
    version=ElementTree.parse(root / "package.xml").findtext("version"),
    packages=[
        *find_packages(include=[f"{name}{sub}" for name in PACKAGES for sub in ("", ".*")]),
        *(f"{SHARE}.{'.'.join(folder.parts)}" for folder in folders),
    ],
    package_dir={f"{SHARE}.{name}": name for name in DATA},
    package_data={
        "": ["*.pyi", "py.typed", "*.css", "*.html", "*.js", "*.yaml"],
        **{f"{SHARE}.{'.'.join(folder.parts)}": ["*"] for folder in folders},
    },
)
