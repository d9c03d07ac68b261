# SPDX-License-Identifier: Apache-2.0
"""Known people by OpenCV's YuNet and SFace, where the user gives the models and the pictures.

Off by default: a face is biometric data, which many laws forbid to process without consent.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import cv2
import numpy as np

from video_search.frames import Frame
from video_search.matchers import MatcherError
from video_search.named_pictures import named_pictures
from video_search.pictures import read_picture
from video_search.sightings import Sighting

NAME, SPACE = "face", "sface"
DETECTOR, RECOGNIZER = "face_detection_yunet*.onnx", "face_recognition_sface*.onnx"
# Cosine from which two faces are one person's, as published with SFace.
SAME_PERSON = 0.363
MIN_SCORE = 0.8


class FaceMatcher:
    """Names the faces of people whose pictures lie in the folder of the models."""

    name = NAME

    def __init__(self, detector: Path, recognizer: Path, people: list[Path], settings: str) -> None:
        self.settings = settings
        try:
            self._detector = cv2.FaceDetectorYN.create(str(detector), "", (320, 320), MIN_SCORE)
            self._recognizer = cv2.FaceRecognizerSF.create(str(recognizer), "")
        except cv2.error as error:
            raise MatcherError(
                f"'{detector}' and '{recognizer}' are not both models that OpenCV reads: get them"
                " again from its model zoo"
            ) from error
        self._people: dict[str, np.ndarray] = {}
        for path in people:
            faces = self._faces(read_picture(path))
            if len(faces) != 1:
                raise MatcherError(f"'{path}' shows {len(faces)} faces, expected the one to know")
            self._people[path.stem] = faces[0][2]

    @classmethod
    def of_folder(cls, folder: Path) -> FaceMatcher:
        """The models and people of a folder. Raises MatcherError or PictureError."""
        models = []
        for pattern in (DETECTOR, RECOGNIZER):
            files = sorted(folder.glob(pattern))
            if not files:
                raise MatcherError(
                    f"'{folder}' holds no {pattern}: OpenCV's model zoo has it; it is not shipped"
                )
            models.append(files[-1])
        people = named_pictures(folder)
        digest = hashlib.sha256()
        for path in (*models, *people):
            digest.update(path.name.encode() + path.read_bytes())
        return cls(models[0], models[1], people, f"1 {digest.hexdigest()[:16]}")

    def __call__(self, frame: Frame) -> list[Sighting]:
        """The faces that are known."""
        sightings = []
        for box, score, descriptor in self._faces(frame.rgb):
            for person, known in self._people.items():
                if float(descriptor @ known) >= SAME_PERSON:
                    sightings.append(
                        Sighting(
                            "face", person, score, NAME, box=box, descriptor=descriptor, space=SPACE
                        )
                    )
        return sightings

    def _faces(self, rgb: np.ndarray) -> list[tuple[np.ndarray, float, np.ndarray]]:
        """Box (4,), score and descriptor of norm 1 of each face."""
        bgr = cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2BGR)
        self._detector.setInputSize(bgr.shape[1::-1])
        found = self._detector.detect(bgr)[1]
        faces = []
        for face in [] if found is None else found:
            feature = self._recognizer.feature(self._recognizer.alignCrop(bgr, face))[0]
            box = np.array([face[0], face[1], face[0] + face[2], face[1] + face[3]], np.float32)
            faces.append((box, float(min(1, face[14])), feature / np.linalg.norm(feature)))
        return faces
