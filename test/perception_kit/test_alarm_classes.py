# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from perception_kit.alarm_classes import alarm_warning, check_alarm_classes, default_alarm_classes


@pytest.mark.parametrize(
    ("classes", "alarms", "parts"),
    [
        pytest.param(["falling", "walking"], ["falling"], [], id="the usual name"),
        pytest.param(["Fall Down", "walking"], ["Fall Down"], [], id="another name, chosen"),
        pytest.param(["adl", "no fall", "fall"], ["fall"], [], id="no fall is no fall"),
        pytest.param(
            ["Fall Down", "Lying Down"],
            [],
            ["there is no fall alarm", "--alarm-class 'Fall Down' of"],
            id="another name, not chosen",
        ),
        pytest.param(
            ["Falling", "falling"],
            ["falling"],
            ["raised by 'falling', but not by 'Falling'", "'falling' --alarm-class 'Falling' of"],
            id="two spellings",
        ),
        pytest.param(
            ["running", "walking"], [], ["no fall alarm", "--alarm-class NAME"], id="no fall at all"
        ),
    ],
)
def test_a_missing_alarm_and_classes_that_look_like_falls_are_named(
    classes: list[str], alarms: list[str], parts: list[str]
) -> None:
    warning = alarm_warning(classes, alarms)
    assert (warning is None) == (not parts)
    assert all(part in (warning or "") for part in parts)


def test_alarm_classes_are_classes_of_the_model() -> None:
    assert default_alarm_classes(["Fall Down", "falling"]) == ("falling",)
    check_alarm_classes(["Fall Down", "walking"], ["Fall Down"])
    with pytest.raises(ValueError, match=r"\['fall'\] are none of the classes 'Fall Down', 'walk'"):
        check_alarm_classes(["Fall Down", "walk"], ["fall"])
    with pytest.raises(ValueError, match="lack 'falling': this label says that the alarm is on"):
        check_alarm_classes(["Fall Down", "falling"], ["Fall Down"])
