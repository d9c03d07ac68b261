# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from actionrec_node.config import RecognizerConfig
from actionrec_node.data.crops import PersonBox
from actionrec_node.recognition.clip_requests import ClipRequest, NewestClips
from actionrec_node.recognition.recognizer import MAX_SIDE, ActionRecognizer
from perception_kit.networks.model_file import read_model, save_model
from perception_kit.networks.model_metadata import ModelFileError
from perception_kit.types import ActionEstimate, FallAlarm

STEP_NS = 66_666_667  # 15 frames per second


def _image(index: int, size: tuple[int, int] = (60, 80)) -> np.ndarray:
    image = np.full((*size, 3), 60, np.uint8)
    image[10:40, index % 40 : index % 40 + 10] = 200
    return image


def _push(recognizer: ActionRecognizer, indices: range) -> list[list[ActionEstimate]]:
    return [recognizer.push(_image(index), 1_000_000_000 + index * STEP_NS) for index in indices]


def test_first_result_after_one_clip_then_every_stride(model_path: Path) -> None:
    recognizer = ActionRecognizer(model_path)
    results = _push(recognizer, range(25))
    assert [len(result) for result in results] == [0] * 15 + [1] * 10
    ends = [result[0].clip_end_ns for result in results[15:]]
    wanted = [1_000_000_000 + index * STEP_NS for index in (15, 19, 23)]
    assert ends == [wanted[0]] * 4 + [wanted[1]] * 4 + [wanted[2]] * 2


def test_result_is_a_distribution_over_the_classes(model_path: Path) -> None:
    recognizer = ActionRecognizer(model_path)
    (action,) = _push(recognizer, range(16))[-1]
    assert recognizer.class_names == ["falling", "running", "walking"]
    assert action.class_scores.sum() == pytest.approx(1.0, abs=1e-5)
    if action.label:
        assert action.score == pytest.approx(
            action.class_scores[recognizer.class_names.index(action.label)]
        )
    assert (action.clip_start_ns, action.track_id) == (1_000_000_000, -1)


def test_stamp_going_back_forgets_the_result(model_path: Path) -> None:
    recognizer = ActionRecognizer(model_path)
    assert _push(recognizer, range(16))[-1]
    assert recognizer.push(_image(0), 0) == []


def test_same_stream_after_reset_gives_the_same_result(model_path: Path) -> None:
    recognizer = ActionRecognizer(model_path)
    (first,) = _push(recognizer, range(16))[-1]
    recognizer.reset()
    (second,) = _push(recognizer, range(16))[-1]
    assert np.array_equal(first.class_scores, second.class_scores)


def test_frames_of_changing_size_make_one_clip(model_path: Path) -> None:
    recognizer = ActionRecognizer(model_path)
    for index in range(16):
        result = recognizer.push(_image(index, (60 + index, 80)), index * STEP_NS)
    assert len(result) == 1


@pytest.mark.parametrize(
    "image", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)]
)
def test_not_an_rgb_image_is_refused(model_path: Path, image: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"expected an \(H, W, 3\) uint8 colour image"):
        ActionRecognizer(model_path).push(image, 0)


def test_an_unknown_network_is_named(tmp_path: Path) -> None:
    path = tmp_path / "odd.safetensors"
    save_model(path, "action", {}, {"architecture": "lstm", "class_names": ["walking"]})
    with pytest.raises(ModelFileError, match=r"odd\.safetensors.*unknown architecture 'lstm'"):
        ActionRecognizer(path)


class _FakeNetwork:
    """Stands in for the network: remembers the clips, and gives known scores of "falling"."""

    def __init__(self, recognizer: ActionRecognizer, falling: list[float] | None = None) -> None:
        self.batches: list[list[np.ndarray]] = []
        self.falling = iter(falling or [])
        recognizer._model.probabilities = self

    def __call__(self, clips: list[np.ndarray]) -> np.ndarray:
        self.batches.append(clips)
        score = next(self.falling, 0.0)
        return np.tile(np.array([[score, 0.0, 1 - score]], np.float32), (len(clips), 1))


def _people(index: int, *identities: int) -> list[PersonBox]:
    return [
        PersonBox(
            identity, np.array([identity * 10 + index / 4, 10, identity * 10 + 8 + index / 4, 40.0])
        )
        for identity in identities
    ]


def test_everybody_has_a_clip_and_all_are_classified_together(model_path: Path) -> None:
    recognizer = ActionRecognizer(model_path)
    network = _FakeNetwork(recognizer)
    for index in range(18):
        people = _people(index, 1, 2) if index >= 2 else _people(index, 2)
        actions = recognizer.push(_image(index), index * STEP_NS, people)
    sizes = [len(clips) for clips in network.batches]
    assert sizes == [1, 1], "person 2 first, person 1 two images later"
    assert [(action.track_id, action.clip_end_ns) for action in actions] == [
        (1, 17 * STEP_NS),
        (2, 15 * STEP_NS),
    ]


def test_nobody_in_view_has_no_action(model_path: Path) -> None:
    recognizer = ActionRecognizer(model_path)
    network = _FakeNetwork(recognizer)
    for index in range(40):
        assert recognizer.push(_image(index), index * STEP_NS, []) == []
        assert recognizer.is_empty
    assert network.batches == [], "an empty room costs no time"


def test_the_whole_image_is_classified_until_somebodys_clip_is_complete(model_path: Path) -> None:
    recognizer = ActionRecognizer(model_path, config=RecognizerConfig(keep_watching=0.0))
    network = _FakeNetwork(recognizer)
    seen = []
    for index in range(60):
        people = _people(index, 1) if 8 <= index < 40 else []
        actions = recognizer.push(_image(index), index * STEP_NS, people)
        seen.append([action.track_id for action in actions])
    assert seen == [[]] * 15 + [[-1]] * 8 + [[1]] * 17 + [[]] * 20
    assert all(len(clips) == 1 for clips in network.batches)


def _found_until(
    recognizer: ActionRecognizer, last: int, left: float = 30.0, frames: int = 100
) -> list[list[int]]:
    """Track ids of the actions while person 1 is found up to the image ``last``."""
    person = PersonBox(1, np.array([left, 10.0, left + 8, 40.0]))
    seen = []
    for index in range(frames):
        people = [person] if index <= last else []
        actions = recognizer.push(_image(index), index * STEP_NS, people)
        seen.append([action.track_id for action in actions])
    return seen


def test_who_is_not_found_any_more_is_watched_for_a_while(model_path: Path) -> None:
    recognizer = ActionRecognizer(model_path, config=RecognizerConfig(keep_watching=2.0))
    _FakeNetwork(recognizer)
    seen = _found_until(recognizer, last=30)
    assert seen[15:60] == [[1]] * 45
    assert seen[61:] == [[]] * 39


@pytest.mark.parametrize("left", [0.0, 71.0])
def test_who_leaves_at_the_side_of_the_image_is_not_watched(model_path: Path, left: float) -> None:
    recognizer = ActionRecognizer(model_path, config=RecognizerConfig(keep_watching=2.0))
    _FakeNetwork(recognizer)
    assert _found_until(recognizer, last=30, left=left)[31:] == [[]] * 69


def test_who_has_fallen_is_watched_until_the_alarm_ends(model_path: Path) -> None:
    config = RecognizerConfig(stride=1, smoothing=0.0, keep_watching=0.5)
    recognizer = ActionRecognizer(model_path, config=config)
    _FakeNetwork(recognizer, [0.9] * 50)  # from image 15 to image 64
    seen = _found_until(recognizer, last=20, left=0.0)
    assert seen[15:66] == [[1]] * 51
    assert seen[66:] == [[]] * 34


def test_a_new_track_in_the_same_place_goes_on_with_the_clip(model_path: Path) -> None:
    recognizer = ActionRecognizer(model_path, config=RecognizerConfig(smoothing=0.0))
    _FakeNetwork(recognizer, [0.9] * 100)
    box = np.array([30.0, 10.0, 38.0, 40.0])
    labels, alarms = [], []
    for index in range(40):
        identity = 1 if index < 20 else 2
        people = [] if 20 <= index < 25 else [PersonBox(identity, box)]
        requests = recognizer.add(_image(index), index * STEP_NS, people)
        alarms += recognizer.predict(requests)
        labels.append([(action.track_id, action.label) for action in recognizer.actions()])
    assert labels[19:25] == [[(1, "falling")]] * 6
    assert labels[25:] == [[(2, "falling")]] * 15
    assert len(alarms) == 1


def test_a_doubtful_person_has_no_action_before_a_sure_detection(model_path: Path) -> None:
    recognizer = ActionRecognizer(model_path, config=RecognizerConfig(person_score=0.8))
    scores = [0.6] * 20 + [0.9] + [0.5] * 19  # who is known stays known
    seen, doubtful = [], []
    for index, score in enumerate(scores):
        person = replace(_people(index, 1)[0], score=score)
        actions = recognizer.push(_image(index), index * STEP_NS, [person])
        seen.append([action.track_id for action in actions])
        doubtful.append(recognizer.doubtful)
    assert seen[:20] == [[]] * 20
    assert seen[-1] == [1]
    assert doubtful == [[1]] * 20 + [[]] * 20


def test_a_doubtful_track_goes_on_where_somebody_was(model_path: Path) -> None:
    recognizer = ActionRecognizer(model_path, config=RecognizerConfig(person_score=0.8))
    box = np.array([30.0, 10.0, 38.0, 40.0])
    for index in range(30):
        person = PersonBox(1, box) if index < 20 else PersonBox(2, box, 0.5)
        actions = recognizer.push(_image(index), index * STEP_NS, [person])
    assert [action.track_id for action in actions] == [2]


def test_somebody_elsewhere_starts_a_clip_of_their_own(model_path: Path) -> None:
    recognizer = ActionRecognizer(model_path, config=RecognizerConfig(keep_watching=0.0))
    _FakeNetwork(recognizer)
    for index in range(30):
        person = _people(index, 1) if index < 20 else [PersonBox(2, np.array([60.0, 10, 70, 40]))]
        actions = recognizer.push(_image(index), index * STEP_NS, person)
    assert [action.track_id for action in actions] != [2]


@pytest.mark.parametrize(
    "box",
    [
        [np.nan] * 4,
        [np.inf, 0, np.inf, 9],
        [20, 10, 20, 40],
        [40, 40, 10, 10],
        [-30, 10, -5, 40],
        [500, 10, 600, 40],
    ],
)
def test_a_box_that_shows_nobody_is_counted_and_harms_no_clip(
    model_path: Path, box: list[float]
) -> None:
    recognizer = ActionRecognizer(model_path)
    network = _FakeNetwork(recognizer)
    rejected = []
    for index in range(20):
        people = [*_people(index, 1), PersonBox(2, np.array(box, np.float64))]
        actions = recognizer.push(_image(index), index * STEP_NS, people)
        rejected += recognizer.rejected
    assert [action.track_id for action in actions] == [1]
    assert [len(clips) for clips in network.batches] == [1, 1]
    assert [index for index, _ in rejected] == [1] * 20
    assert all("shows no part of the image" in reason for _, reason in rejected)


def test_somebody_half_outside_of_the_image_is_classified(model_path: Path) -> None:
    recognizer = ActionRecognizer(model_path)
    person = PersonBox(2, np.array([-20.0, 5, 10, 300]))
    for index in range(16):
        actions = recognizer.push(_image(index), index * STEP_NS, [person])
        assert recognizer.rejected == []
    assert [action.track_id for action in actions] == [2]


def test_of_a_crowd_the_largest_are_classified_a_few_at_a_time(model_path: Path) -> None:
    recognizer = ActionRecognizer(model_path, config=RecognizerConfig(max_people=20))
    network = _FakeNetwork(recognizer)
    heights = np.random.default_rng(0).permutation(50) + 5
    people = [
        PersonBox(identity, np.array([5.0, 1, 15, 1 + height]))
        for identity, height in enumerate(heights.tolist())
    ]
    for index in range(16):
        actions = recognizer.push(_image(index), index * STEP_NS, people)
    largest = set(np.argsort(heights)[-20:].tolist())
    assert {action.track_id for action in actions} == largest
    assert recognizer.left_out == sorted(set(range(50)) - largest)
    sizes = [len(clips) for clips in network.batches]
    assert sum(sizes) == 20
    assert max(sizes) <= 8


def test_an_alarm_does_not_end_because_others_come_near(model_path: Path) -> None:
    config = RecognizerConfig(max_people=1, smoothing=0.0)
    recognizer = ActionRecognizer(model_path, config=config)
    _FakeNetwork(recognizer, [0.9] * 3)
    for index in range(24):
        near = [PersonBox(9, np.array([0.0, 0, 80, 60]))] if index >= 20 else []
        actions = recognizer.push(_image(index), index * STEP_NS, [*_people(index, 1), *near])
    assert [(action.track_id, action.label) for action in actions] == [(1, "falling")]
    assert recognizer.left_out == [9]


def test_parameters_change_between_two_images(model_path: Path) -> None:
    recognizer = ActionRecognizer(model_path, config=RecognizerConfig(stride=1, smoothing=0.0))
    _FakeNetwork(recognizer, [0.6, 0.6])
    assert _push(recognizer, range(16))[-1][0].label == "walking"
    recognizer.configure(RecognizerConfig(stride=1, smoothing=0.0, fall_on=0.5))
    assert _push(recognizer, range(16, 17))[-1][0].label == "falling"


def test_a_person_who_does_not_move_in_the_image_is_shown_in_the_middle(model_path: Path) -> None:
    recognizer = ActionRecognizer(model_path, config=RecognizerConfig(context=2.0))
    network = _FakeNetwork(recognizer)
    image = np.zeros((120, 160, 3), np.uint8)
    image[50:70, 70:90] = 255
    for index in range(16):
        recognizer.push(image, index * STEP_NS, [PersonBox(7, np.array([70.0, 50, 90, 70]))])
    ((clip,),) = network.batches
    size = clip.shape[1]
    assert clip.shape == (16, size, size, 3)
    assert clip[:, size // 3 : -size // 3, size // 3 : -size // 3].min() > 200
    assert clip[:, : size // 5].max() < 50


def test_memory_is_flat_with_people_coming_and_going(model_path: Path) -> None:
    recognizer = ActionRecognizer(model_path, config=RecognizerConfig(keep_watching=0.0))
    _FakeNetwork(recognizer)
    kept = []
    for index in range(600):
        recognizer.push(
            _image(index), index * STEP_NS, _people(0, 1 + index // 12, 2 + index // 12)
        )
        subjects = recognizer._subjects.by_track
        views = [view for subject in subjects.values() for _, view in subject.buffer._frames]
        kept.append((len(subjects), len({id(view.rgb) for view in views})))
    assert max(count for count, _ in kept) <= 5
    assert max(images for _, images in kept) <= recognizer.spec.clip_length + 8


def test_clips_of_a_person_who_was_forgotten_meanwhile_are_dropped(model_path: Path) -> None:
    recognizer = ActionRecognizer(model_path)
    network = _FakeNetwork(recognizer, [0.9, 0.9])
    for index in range(16):
        requests = recognizer.add(_image(index), index * STEP_NS, _people(index, 1))
    recognizer.reset()
    assert recognizer.predict(requests) == []
    assert recognizer.actions() == []
    assert network.batches == [], "no time is spent on them"


def test_an_alarm_of_the_whole_image_ends_where_somebody_is_found(model_path: Path) -> None:
    config = RecognizerConfig(stride=1, smoothing=0.0, keep_watching=0.0)
    recognizer = ActionRecognizer(model_path, config=config)
    network = _FakeNetwork(recognizer, [0.9, 0.9])
    alarms, labels = [], []
    for index in range(60):
        if index == 40:  # between fall_off and fall_on, then a fall of its own
            network.falling = iter([0.4, 0.4, 0.95])
        people = _people(index, 1) if 2 <= index < 40 else None
        requests = recognizer.add(_image(index), index * STEP_NS, people)
        alarms += recognizer.predict(requests)
        labels.append([action.label for action in recognizer.actions() if action.track_id == -1])
    assert [(alarm.track_id, alarm.raised_ns // STEP_NS) for alarm in alarms] == [
        (-1, 16),
        (-1, 42),
    ]
    assert labels[16] == ["falling"]
    assert labels[40:43] == [["walking"], ["walking"], ["falling"]]


def test_a_fall_is_reported_once_with_its_first_sign(model_path: Path) -> None:
    recognizer = ActionRecognizer(
        model_path, config=RecognizerConfig(stride=1, smoothing=0.0, fall_on=0.5)
    )
    _FakeNetwork(recognizer, [0.1, 0.4, 0.6, 0.7, 0.1])
    alarms = []
    for index in range(20):
        alarms += recognizer.predict(recognizer.add(_image(index), index * STEP_NS))
    assert alarms == [FallAlarm(first_sign_ns=16 * STEP_NS, raised_ns=17 * STEP_NS)]


def test_everybodys_newest_clip_waits_for_a_network_slower_than_the_stream(
    model_path: Path,
) -> None:
    recognizer = ActionRecognizer(model_path)
    waiting = NewestClips()
    # Due are clips of person 1 at 15, 19, ..., 39 and of person 2, who comes later, at 17, 21, ...
    for index in range(40):
        people = _people(index, 1, 2) if index >= 2 else _people(index, 1)
        waiting.put(recognizer.add(_image(index), index * STEP_NS, people))
    requests = waiting.take()
    assert [(request.track_id, request.clip.end_ns // STEP_NS) for request in requests] == [
        (1, 39),
        (2, 37),
    ]
    assert waiting.replaced == 6 + 5
    assert waiting.take() == []


def test_nothing_waits_for_the_network(model_path: Path) -> None:
    recognizer = ActionRecognizer(model_path)
    started, go_on = threading.Event(), threading.Event()
    network = _FakeNetwork(recognizer)

    def slow(clips: list[np.ndarray]) -> np.ndarray:
        started.set()
        assert go_on.wait(60)
        return network(clips)

    def clip_at(first: int) -> list[ClipRequest]:
        return [
            request
            for index in range(first, first + 20)
            for request in recognizer.add(_image(index), index * STEP_NS)
        ][-1:]

    recognizer._model.probabilities = slow
    predicting = threading.Thread(target=recognizer.predict, args=[clip_at(0)])
    predicting.start()
    assert started.wait(60)
    assert clip_at(20)
    assert recognizer.actions() == []
    go_on.set()
    predicting.join(60)
    assert [action.clip_end_ns // STEP_NS for action in recognizer.actions()] == [19]


def test_large_images_are_kept_small(model_path: Path) -> None:
    recognizer = ActionRecognizer(model_path)
    recognizer.add(np.zeros((1080, 1920, 3), np.uint8), 0)
    (subject,) = recognizer._subjects.by_track.values()
    assert max(subject.buffer._frames[0][1].rgb.shape) == MAX_SIDE


def test_a_network_that_makes_nonsense_is_refused(model_path: Path, tmp_path: Path) -> None:
    tensors, metadata = read_model(model_path, "action")
    tensors |= {name: value * 1e30 for name, value in tensors.items() if name.endswith("weight")}
    path = tmp_path / "overflowing.safetensors"
    save_model(path, "action", tensors, metadata)
    with pytest.raises(ModelFileError, match="is of no use: its network gave scores"):
        ActionRecognizer(path, "cpu")


def test_recognizers_share_the_model_and_nothing_else(model_path: Path) -> None:
    first, second = (ActionRecognizer(model_path, "cpu", RecognizerConfig(stride=1)) for _ in "ab")
    assert first._model is second._model
    image = np.zeros((48, 64, 3), np.uint8)
    for number in range(17):
        first.push(image, number * 66_666_667)
    assert first.actions()
    assert second.actions() == []


def test_scores_that_are_not_finite_change_nobody(model_path: Path) -> None:
    recognizer = ActionRecognizer(model_path, "cpu", RecognizerConfig(stride=1))
    image = np.zeros((48, 64, 3), np.uint8)
    for number in range(17):
        before = recognizer.push(image, number * 66_666_667)
    assert before
    not_a_number = np.full((1, len(recognizer.class_names)), np.nan, np.float32)
    recognizer._model.probabilities = lambda clips: not_a_number
    with pytest.raises(ValueError, match="scores that are not finite"):
        recognizer.push(image, 17 * 66_666_667)
    (action,) = recognizer.actions()
    assert action.clip_end_ns == before[0].clip_end_ns
