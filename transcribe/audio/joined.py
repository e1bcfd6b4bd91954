"""Files that hold several recordings, one after another: where each begins.

A container that says how long it is ends there; what follows with a header of its own is a recording, too
(``cat``, streaming services that send a header with each part, recorders that append). Decoders stop at the
first one's end, without an error.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from transcribe.audio import sniff
from transcribe.audio.promises import matroska, ogg, promise
from transcribe.audio.promises.riff import WAVES
from transcribe.audio.window import Window

_FLAC_BEGINS = b"fLaC\0\0\0\x22"  # its first block has always this kind and size
_AMR_BEGINS = (b"#!AMR\n", b"#!AMR-WB\n")


def parts(file: Window) -> list[Window]:
    """``file`` cut into its recordings, most often one. Reads all of Ogg, FLAC and AMR, else only headers."""
    starts, position = _starts(file), 0
    if len(starts) == 1:
        following = _end(file)
        while following is not None and position < following < file.n_bytes:
            if not sniff.has_audio_header(file.at(following, 16), tags=False):
                break
            starts.append(following)
            position = following
            rest = _end(file.part(following, file.n_bytes))
            following = None if rest is None else following + rest
    ends = [*starts[1:], file.n_bytes]
    return [file.part(start, end) for start, end in zip(starts, ends, strict=True)]


def _starts(file: Window) -> list[int]:
    """Where the recordings of a format begin that is searched for them."""
    head = file.at(0, 16)
    if head.startswith(b"OggS"):
        return [link.start for link in ogg.links(file)]
    if head.startswith(matroska.EBML):
        return matroska.links(file) or [0]
    if head.startswith(_FLAC_BEGINS):
        return list(file.all(_FLAC_BEGINS))
    if head.startswith(_AMR_BEGINS):
        return sorted({0, *(at for magic in _AMR_BEGINS for at in file.all(magic))})
    return [0]


def _end(file: Window) -> int | None:
    """Where the first recording of ``file`` ends by its own sizes, None if they do not say."""
    head = file.at(0, 12)
    if head.startswith((*WAVES, b"FORM")):
        return _end_of_chunks(file, "big" if head.startswith(b"FORM") else "little")
    if head.startswith(b"caff"):
        return _end_of_boxes(file, 8, _CAF)
    if head[4:8] == b"ftyp":
        return _end_of_boxes(file, 0, _MP4)
    return promise(file).n_bytes


def _end_of_chunks(file: Window, order: Literal["big", "little"]) -> int | None:
    """RIFF and FORM: another file where a chunk should begin."""
    is_avi, position = file.at(8, 4) == b"AVI ", 12
    while len(header := file.at(position, 16)) > 8:
        if is_avi and header[8:12] == b"AVIX":  # the next gigabyte of the same AVI
            position += 12
        elif sniff.has_audio_header(header, tags=False):
            return position
        else:
            size = int.from_bytes(header[4:8], order)
            position += 8 + size + size % 2
    return None


@dataclass(frozen=True)
class _Boxes:
    """How a container's boxes give their size, and which of them begins a file."""

    begins: bytes
    kind: slice
    size: Callable[[bytes], int]  # of the whole box, from its first 16 bytes


def _mp4_size(header: bytes) -> int:
    size = int.from_bytes(header[:4], "big")
    return int.from_bytes(header[8:16], "big") if size == 1 else size


_CAF = _Boxes(b"caff", slice(0, 4), lambda header: 12 + int.from_bytes(header[4:12], "big", signed=True))
_MP4 = _Boxes(b"ftyp", slice(4, 8), _mp4_size)


def _end_of_boxes(file: Window, position: int, boxes: _Boxes) -> int | None:
    """Core Audio, MP4 and QuickTime: another first box."""
    while len(header := file.at(position, 16)) > 8:
        if position and header[boxes.kind] == boxes.begins:
            return position
        if (size := boxes.size(header)) < 8:  # open: to the end
            return None
        position += size
    return None
