# SPDX-License-Identifier: Apache-2.0
"""Names of others in the data of a page."""

from __future__ import annotations

import json
import re

from perception_kit.report.html import assemble_page

# After the first of these, "</script>" does not end a script any more.
NAMES = ["<!--<script>", "</script><script>alert(1)</script>", "]]>", "a & b"]


def test_no_name_ends_the_data_or_begins_a_script() -> None:
    page = assemble_page(NAMES[0], "", {"names": NAMES}, {})
    data = re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1]
    assert "<" not in data
    assert json.loads(data)["names"] == NAMES
    assert "<!--<script>" not in page
