# SPDX-License-Identifier: Apache-2.0
from .config import RecognizerConfig as RecognizerConfig
from .recognition.recognizer import ActionRecognizer as ActionRecognizer
