"""Ogg: pages that are numbered and carry checksums; recordings may follow each other in one file."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from transcribe.audio.promises.promise import REMEDY
from transcribe.audio.window import Window
from transcribe.errors import DecodeError

_MIRRORED_BYTES = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_BEGINS, _ENDS, _N_HEADER_BYTES = 2, 4, 27


@dataclass
class Link:
    """One of the recordings in a file."""

    start: int
    is_whole: bool = True  # all pages follow each other, numbered in sequence and with right checksums
    has_end: bool = False  # a page says that it is the last
    is_cut: bool = False  # inside a page


@dataclass(frozen=True)
class _Page:
    start: int
    flags: int
    serial: bytes
    number: int
    is_whole: bool
    is_cut: bool


def links(file: Window) -> list[Link]:
    """The recordings: one begins where a stream begins after pages that begin none.

    A decoder skips pages that are missing or broken, without an error: it looks like a pause.
    """
    link, next_numbers, in_headers = Link(0), dict[bytes, int](), True
    found = [link]
    for page in _pages(file):
        if page is None or not page.is_whole:
            link.is_whole = False
            link.is_cut = page is not None and page.is_cut
            continue
        if page.flags & _BEGINS and not in_headers:
            link, next_numbers = Link(page.start), {}
            found.append(link)
        in_headers = bool(page.flags & _BEGINS)
        link.is_whole &= page.number == next_numbers.get(page.serial, 0)
        link.has_end |= bool(page.flags & _ENDS)
        next_numbers[page.serial] = page.number + 1
    return found


def refuse_cut(file: Window) -> None:
    """Raise DecodeError ``truncated`` if the Ogg ``file`` (any other will do) ends before its end.

    One that ends between two pages without saying so is a live recording.
    """
    if file.at(0, 4) != b"OggS":
        return
    last = links(file)[-1]
    if last.is_cut or not (last.is_whole or last.has_end):
        raise DecodeError("truncated", "the stream ends inside a page, or without its last pages", REMEDY)


def _pages(file: Window) -> Iterator[_Page | None]:
    """All pages in order; None for a stretch that is none."""
    position: int | None = 0
    while position is not None and (header := file.at(position, _N_HEADER_BYTES)):
        if not header.startswith(b"OggS"):
            yield None
            position = file.find(b"OggS", position + 1)
            continue
        lacing = file.read(header[26]) if len(header) == _N_HEADER_BYTES else b""
        body = file.read(sum(lacing))
        # Ogg's CRC-32 is zlib's with all bits mirrored and nothing inverted.
        page = header[:22] + bytes(4) + header[26:] + lacing + body
        mirrored = zlib.crc32(page.translate(_MIRRORED_BYTES), 0xFFFFFFFF) ^ 0xFFFFFFFF
        is_whole = mirrored.to_bytes(4, "big").translate(_MIRRORED_BYTES) == header[22:26]
        is_cut = len(header) < _N_HEADER_BYTES or len(lacing) < header[26] or len(body) < sum(lacing)
        number = int.from_bytes(header[18:22], "little")
        yield _Page(position, header[5] if len(header) > 5 else 0, header[14:18], number, is_whole, is_cut)
        # A broken page may be longer than what is left of it.
        position = position + len(page) if is_whole else file.find(b"OggS", position + 4)
