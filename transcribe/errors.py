"""The exception tree; whoever catches one knows what to do next.

TranscribeError
├── ConfigError          stop before Spark starts, exit code 2
│   └── ManifestError    the input list itself cannot be used
├── RecordingError       one recording cannot be done: a row in ``failures``
│   ├── PlanError        listed wrongly                        (until its row is corrected)
│   │   └── LanguageError  a language that cannot be transcribed
│   ├── StorageError     cannot be listed, read or fetched     (retried in the next run)
│   ├── DecodeError      bytes are not the audio they claim    (retried when the source changes)
│   │   └── DecoderError   decoding broke a limit                (retried in the next run)
│   └── InferenceError   the engine failed on its chunks       (retried in the next run)
├── ModelError           weights missing or not the bytes the registry promises; ends the run
├── PublishError         a commit did not go through; nothing of the wave is visible
└── ClusterError         Spark gave up and no recording is to blame; ends the run
"""

from __future__ import annotations

from transcribe.escape import printable
from transcribe.redact import HIDDEN, is_secret
from transcribe.types import Failure

MAX_MESSAGE = 1000
"""Characters of a failure's message: one clean line, whatever the file or its name held."""


class TranscribeError(Exception):
    """Base of everything this project raises on purpose."""


class ConfigError(TranscribeError):
    """A setting is wrong: names the key, the value and the remedy."""

    def __init__(self, key: str, value: object, remedy: str) -> None:
        shown = HIDDEN if value is not None and is_secret(key, value) else repr(value)
        super().__init__(f"{key} = {shown}: {remedy}")
        self.key, self.value, self.remedy = key, value, remedy

    def __reduce__(self) -> tuple[type, tuple[str, object, str]]:
        return type(self), (self.key, self.value, self.remedy)


class ManifestError(ConfigError):
    """The manifest or input path cannot be used at all."""


class RecordingError(TranscribeError):
    """One recording failed: ``stage``, ``error`` (a stable code), message and next step."""

    stage = "segment"
    retryable = True

    def __init__(self, error: str, message: str, next_step: str) -> None:
        super().__init__(f"{error}: {message}")
        self.error, self.message, self.next_step = error, message, next_step

    def __reduce__(self) -> tuple[type, tuple[str, str, str]]:  # both parts of the text travel
        return type(self), (self.error, self.message, self.next_step)


class PlanError(RecordingError):
    """A recording that cannot be planned as it is listed."""

    stage = "plan"
    retryable = False


class LanguageError(PlanError):
    """A language that cannot be transcribed."""


class StorageError(RecordingError):
    stage = "fetch"


class DecodeError(RecordingError):
    stage = "decode"
    retryable = False


class DecoderError(DecodeError):
    """Decoding broke off at a limit of the operator's or of the machine: another run may do it."""

    retryable = True


class InferenceError(RecordingError):
    stage = "transcribe"


class ModelError(TranscribeError):
    """Weights are missing, or not the bytes that the registry promises."""


class PublishError(TranscribeError):
    """A wave could not be committed."""


class ClusterError(TranscribeError):
    """Spark stopped, or too many recordings bring it down."""


def failure(recording_id: str, error: Exception, stage: str) -> Failure:
    """The row for an exception that one recording raised in ``stage``; also for one nobody foresaw."""
    if isinstance(error, RecordingError):
        message = printable(error.message, MAX_MESSAGE)
        return Failure(recording_id, error.stage, error.error, message, error.next_step, error.retryable)
    message = printable(f"{type(error).__name__}: {error}", MAX_MESSAGE)
    return Failure(
        recording_id, stage, "unexpected_error", message, "report it with this message; it is run again", True
    )
