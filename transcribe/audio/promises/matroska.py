"""Matroska and WebM: elements that follow each other, most with a size; a live writer leaves sizes open."""

from __future__ import annotations

from collections.abc import Iterator

from transcribe.audio.promises.promise import Promise
from transcribe.audio.window import Window

EBML = b"\x1a\x45\xdf\xa3"
_SEGMENT, _CLUSTER = 0x18538067, 0x1F43B675
_KNOWN = {
    *(0x1A45DFA3, _SEGMENT, _CLUSTER, 0xEC, 0xBF),  # header, segment, cluster, void, checksum
    *(0x114D9B74, 0x1549A966, 0x1654AE6B, 0x1C53BB6B),  # seek head, info, tracks, cues
    *(0x1941A469, 0x1043A770, 0x1254C367),  # attachments, chapters, tags
    *(0xE7, 0xA3, 0xA0, 0xA7, 0xAB, 0xAF, 0x5854),  # inside a cluster
}


def matroska(file: Window) -> Promise:
    """By the size of the segment, where its writer could go back and note it."""
    for position, kind, size in _elements(file):
        if kind == _SEGMENT:
            return Promise(n_bytes=None if size is None else position + size)
    return Promise()


def is_whole(file: Window) -> bool:
    """Does an element stand wherever one ends? A decoder skips what is none, and it looks like a pause."""
    position = 0
    for position, kind, size in _elements(file):
        if kind not in _KNOWN:
            return False
        position += 0 if kind in (_SEGMENT, _CLUSTER) else size or 0
    return position >= file.n_bytes - 1


def links(file: Window) -> list[int]:
    """Where the recordings begin: each has a header of its own, with its document type."""
    return [at for at in file.all(EBML) if any(kind in file.at(at, 64) for kind in (b"webm", b"matroska"))]


def _elements(file: Window) -> Iterator[tuple[int, int, int | None]]:
    """(position of its content, kind, size or None: open) of each, also inside segment and clusters."""
    position = 0
    while header := file.at(position, 12):
        n_kind = 9 - header[0].bit_length()
        n_size = 9 - header[n_kind].bit_length() if n_kind <= 4 and n_kind < len(header) else 9
        if n_size > 8 or n_kind + n_size > len(header):
            yield position, 0, None
            return
        kind = int.from_bytes(header[:n_kind], "big")
        value = int.from_bytes(header[n_kind : n_kind + n_size], "big") & (1 << 7 * n_size) - 1
        size = None if value == (1 << 7 * n_size) - 1 else value
        position += n_kind + n_size
        yield position, kind, size
        if kind not in _KNOWN:
            return
        if kind not in (_SEGMENT, _CLUSTER):
            position += size or 0
