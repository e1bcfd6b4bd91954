"""What a header promises of its file, and the error where the file holds less."""

from __future__ import annotations

from dataclasses import dataclass

from transcribe.errors import DecodeError

REMEDY = "fetch the recording again: the copy or the recording itself was cut off"


@dataclass(frozen=True)
class Promise:
    """What a file must hold by its own count. None: the header does not say."""

    duration_s: float | None = None  # of the audio alone, without what starts late
    n_bytes: int | None = None  # of the file, from its beginning


def hold(promise: Promise, n_bytes: int) -> None:
    """Raise DecodeError ``truncated`` if a file of ``n_bytes`` is clearly shorter than its header says."""
    if promise.n_bytes is None or n_bytes >= promise.n_bytes:
        return
    share = n_bytes / promise.n_bytes
    if promise.duration_s is None:
        if share < 0.99:
            raise DecodeError(
                "truncated",
                f"the header promises {promise.n_bytes:,} bytes, the file has {n_bytes:,}",
                REMEDY,
            )
    elif (1 - share) * promise.duration_s > tolerated_s(promise.duration_s):
        raise truncated(promise.duration_s, share * promise.duration_s)


def tolerated_s(duration_s: float) -> float:
    """How much of a recording may be missing: encoder padding, rounded headers, isolated bad packets."""
    return min(1.0, max(0.25, 0.01 * duration_s))


def truncated(promised_s: float, held_s: float) -> DecodeError:
    """The error for a recording whose header promises more audio than the file holds."""
    return DecodeError(
        "truncated", f"the header promises {promised_s:.2f} s of audio, the file holds {held_s:.2f} s", REMEDY
    )
