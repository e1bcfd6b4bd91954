"""AVI: each stream's header counts it; where nothing was recorded, empty chunks keep its time."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from transcribe.audio.promises.promise import Promise
from transcribe.audio.window import Window

_LISTS = (b"RIFF", b"LIST")


@dataclass(frozen=True)
class _Header:
    kind: bytes
    scale: int
    rate: int
    length: int  # chunks, or samples where they have a size
    sample_bytes: int


def avi(file: Window) -> Promise:
    """By the size of the first RIFF."""
    size = int.from_bytes(file.at(4, 4), "little")
    return Promise(n_bytes=8 + size if 0 < size < 0x7FFFF000 else None)


def length_s(file: Window, stream: int) -> float | None:
    """How long the header says that the ``stream`` is, 0-based."""
    headers = _headers(file)
    if stream >= len(headers) or not headers[stream].rate:
        return None
    return headers[stream].length * headers[stream].scale / headers[stream].rate or None


def slots(file: Window, stream: int) -> dict[int, int]:
    """Where each chunk of the ``stream`` belongs, in units of its clock, by its content's position.

    Empty, unless chunks of the stream are: libav passes over those and closes the gap.
    """
    headers = _headers(file)
    if stream >= len(headers) or headers[stream].sample_bytes:
        return {}
    chunks = [(position, size) for position, kind, size in _chunks(file) if kind == b"%02dwb" % stream]
    found = {position + 8: number for number, (position, size) in enumerate(chunks) if size}
    return found if len(found) < len(chunks) else {}


def _headers(file: Window) -> list[_Header]:
    headers = []
    for position, kind, size in _chunks(file):
        if kind == b"strh" and size >= 48:
            content = file.at(position + 8, 48)
            scale, rate, _, length, _, _, sample_bytes = struct.unpack("<7I", content[20:].ljust(28, b"\0"))
            headers.append(_Header(content[:4], scale, rate, length, sample_bytes))
        if kind[2:] in (b"wb", b"dc", b"db"):
            break
    return headers


def _chunks(file: Window) -> Iterator[tuple[int, bytes, int]]:
    """(position, kind, size of the content) of all chunks, also inside lists."""
    position = 0
    while len(header := file.at(position, 12)) >= 8:
        kind, size = header[:4], int.from_bytes(header[4:8], "little")
        if kind in _LISTS:
            position += 12
            continue
        yield position, kind, size
        position += 8 + size + size % 2
