"""MP3: the first frame of most files counts the others (Xing, Info or VBRI)."""

from __future__ import annotations

from transcribe.audio.promises.promise import Promise
from transcribe.audio.sniff import id3_size
from transcribe.audio.window import Window

_PADDING_SAMPLES = 2 * 1152
_RATES_HZ = (44_100, 48_000, 32_000)


def mp3(file: Window) -> Promise:
    """By the count of frames, less any encoder padding; nothing without one: that is only an estimate."""
    position = 0
    while n_bytes := id3_size(file.at(position, 10)):
        position += n_bytes
    frame = file.at(position, 256)
    n_frames, n_bytes = _xing(frame) or _vbri(frame) or (0, 0)
    rate_index = frame[2] >> 2 & 3 if len(frame) > 2 else 3
    if not n_frames or frame[0] != 0xFF or rate_index == 3:
        return Promise()
    version = frame[1] >> 3 & 3  # 3: MPEG 1, 2: MPEG 2, 0: MPEG 2.5
    rate = _RATES_HZ[rate_index] // {3: 1, 2: 2}.get(version, 4)
    n_samples = n_frames * (1152 if version == 3 else 576) - _PADDING_SAMPLES
    return Promise(max(n_samples, 0) / rate, position + n_bytes if n_bytes else None)


def _xing(frame: bytes) -> tuple[int, int] | None:
    at = max(frame.find(b"Xing"), frame.find(b"Info"))
    if at < 4 or len(frame) < at + 16 or not frame[at + 7] & 1:
        return None
    n_bytes = int.from_bytes(frame[at + 12 : at + 16], "big") if frame[at + 7] & 2 else 0
    return int.from_bytes(frame[at + 8 : at + 12], "big"), n_bytes


def _vbri(frame: bytes) -> tuple[int, int] | None:
    if frame[36:40] != b"VBRI":
        return None
    return int.from_bytes(frame[50:54], "big"), int.from_bytes(frame[46:50], "big")
