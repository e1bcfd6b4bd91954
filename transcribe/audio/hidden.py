"""Compressed sound that a WAV declares as PCM (DTS, or AC-3 in S/PDIF frames), behind a lead-in of silence.

libav looks for it at the very beginning only; taken for PCM it is noise.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import cast

import av
from av.container import InputContainer

from transcribe.audio import frames
from transcribe.audio.container import Opened
from transcribe.audio.promises.riff import end_of_data, samples_begin
from transcribe.audio.window import SCAN_BYTES, Window
from transcribe.errors import DecodeError

_SYNCS = {b"\xfe\x7f\x01\x80": "dts", b"\xff\x1f\x00\xe8": "dts", b"\x72\xf8\x1f\x4e": "spdif"}
"""Words that begin a frame: DTS in 16 and in 14 bits, S/PDIF; all as little-endian samples → demuxer."""
_LOOKED_AT_BYTES = 1 << 17
"""Four frames of the longest kind (DTS in 14 bits, up to 18 KB) and more."""
_MIN_FRAMES = 4
_FRAME_BYTES = 4  # two channels of 16 bits


@dataclass(frozen=True)
class Hidden:
    """Where compressed sound begins in a WAV."""

    demuxer: str
    position: int
    n_silent: int  # samples of each channel before it


def find_hidden(file: Window) -> Hidden | None:
    """Return where the samples of a WAV ``file`` become frames at equal distances; None if they are PCM."""
    start = samples_begin(file)
    if start is None:
        return None
    position = _first_sound(file, start)
    content = file.at(position, _LOOKED_AT_BYTES)
    for sync, demuxer in _SYNCS.items():
        if content.startswith(sync) and _is_regular(content, sync):
            return Hidden(demuxer, position, (position - start) // _FRAME_BYTES)
    return None


@contextmanager
def opened(track: Opened, hidden: Hidden) -> Iterator[Opened]:
    """Open the hidden sound as a track of its own, with the channels of ``track``."""
    window = track.file.part(hidden.position, end_of_data(track.file) or track.file.n_bytes)
    try:
        container = cast(InputContainer, av.open(window, format=hidden.demuxer))
    except av.error.MemoryError:
        raise
    except av.error.FFmpegError:
        raise DecodeError(
            "no_decoder",
            "its PCM holds compressed sound that cannot be read",
            "convert it, to FLAC for example",
        ) from None
    with closing(container):
        stream = container.streams.audio[0]
        frames.n_channels(stream.codec_context)  # makes its layout safe to decode
        yield replace(
            track,
            file=window,
            container=container,
            stream=stream,
            promised_s=None,
            zero_s=None,
            end_s=None,
            has_clock=False,
        )


def _first_sound(file: Window, position: int) -> int:
    """Return the first byte from ``position`` on that is not 0, or the end."""
    while block := file.at(position, SCAN_BYTES):
        if rest := block.lstrip(b"\0"):
            return position + len(block) - len(rest)
        position += len(block)
    return position


def _is_regular(content: bytes, sync: bytes) -> bool:
    """Return True if ``sync``, with which ``content`` begins, comes again at one distance."""
    distance = content.find(sync, 1)
    return distance > 0 and all(content.startswith(sync, n * distance) for n in range(_MIN_FRAMES))
