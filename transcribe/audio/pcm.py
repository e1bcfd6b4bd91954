"""Uncompressed audio through libsndfile: it knows how many frames there are, and 24 valid bits in 32.

The rule, in one place: libsndfile reads the PCM family (integers, floats, A-law, µ-law) in WAV, RF64, W64,
AIFF, AU and CAF, where its count covers the file. Everything else is libav's: also FLAC, whose samples are
the same from both, but of a damaged file libav tells what is lost and goes on, where libsndfile only fails.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import numpy as np
import numpy.typing as npt
import soundfile

from transcribe.audio.promises.riff import WAVES, wave_options
from transcribe.audio.window import Window
from transcribe.errors import DecodeError

_HEADS = (*WAVES, b"riff", b"FORM", b".snd", b"caff")
_FORMATS = {"WAV", "WAVEX", "RF64", "W64", "AIFF", "AU", "CAF"}
_BITS = {
    **{"PCM_S8": 8, "PCM_U8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32},
    **{"FLOAT": 32, "DOUBLE": 64, "ALAW": 8, "ULAW": 8},
}
_UNCOUNTED_BYTES, _UNCOUNTED_SHARE = 8192, 0.1
"""Headers, metadata and padding: more, and the count may leave out audio."""


def opened(file: Window) -> soundfile.SoundFile | None:
    """``file`` opened by libsndfile; None where it is libav's to read."""
    if not file.at(0, 4).startswith(_HEADS):
        return None
    try:
        sound = soundfile.SoundFile(file.part(0, file.n_bytes))  # with a position of its own
    except soundfile.LibsndfileError:
        return None
    if sound.format in _FORMATS and sound.subtype in _BITS and _covers(sound, file):
        return sound
    sound.close()
    return None


def pieces(sound: soundfile.SoundFile) -> Iterator[npt.NDArray[np.float32]]:
    """All of ``sound`` in pieces of shape (n_channels, n_samples), a second each. Closes it."""
    with sound:
        n_left = sound.frames
        while n_left:
            try:
                piece = sound.read(min(n_left, sound.samplerate), dtype="float32", always_2d=True)
            except soundfile.LibsndfileError:
                piece = np.zeros((0, sound.channels), np.float32)
            if not len(piece):
                held_s, all_s = ((sound.frames - n) / sound.samplerate for n in (n_left, 0))
                raise DecodeError(
                    "corrupt_audio",
                    f"cannot be read beyond {held_s:.2f} of {all_s:.2f} s",
                    "fetch the recording again: the copy is damaged",
                )
            n_left -= len(piece)
            yield cast("npt.NDArray[np.float32]", piece.T)


def _covers(sound: soundfile.SoundFile, file: Window) -> bool:
    if file.at(0, 4) in WAVES:
        return not wave_options(file)
    n_uncounted = file.n_bytes - sound.frames * sound.channels * _BITS[sound.subtype] // 8
    return bool(n_uncounted <= _UNCOUNTED_BYTES + _UNCOUNTED_SHARE * file.n_bytes)
