"""Files that hold several recordings, one after another: where each begins.

A container that says how long it is ends there; what follows with a header of its own is a recording, too
(``cat``, streaming services that send a header with each part, recorders that append). Decoders stop at the
first one's end, without an error.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from transcribe.audio import sniff
from transcribe.audio.promises import matroska, ogg, promise, riff
from transcribe.audio.promises.riff import WAVES
from transcribe.audio.window import Window

_FLAC_BEGINS = b"fLaC\0\0\0\x22"  # its first block has always this kind and size
_AMR_BEGINS = (b"#!AMR\n", b"#!AMR-WB\n")


def parts(file: Window) -> list[Window]:
    """``file`` cut into its recordings, most often one. Reads all of Ogg, FLAC and AMR, else only headers."""
    starts = _starts(file)
    ends = starts[1:]
    if len(starts) == 1:
        position, following = 0, _end(file)
        while following is not None and position < following < file.n_bytes:
            position = behind_tags(file, following)
            if not sniff.has_audio_header(file.at(position, 16), tags=False):
                break
            starts.append(position)
            ends.append(following)
            rest = _end(file.part(position, file.n_bytes))
            following = None if rest is None else position + rest
    return [file.part(start, end) for start, end in zip(starts, [*ends, file.n_bytes], strict=True)]


def without_tags(file: Window) -> Window:
    """Return ``file`` from the container's own header on, without ID3 tags that a program put before it.

    Formats whose frames follow such a tag by their own rules (MP3, raw AAC) keep it.
    """
    position = behind_tags(file, 0)
    is_container = sniff.has_audio_header(file.at(position, sniff.N_HEAD_BYTES), tags=False)
    return file.part(position, file.n_bytes) if position and is_container else file


def behind_tags(file: Window, position: int) -> int:
    """Return where the ID3 tags end that stand at ``position``: there, if there is none."""
    while n_bytes := sniff.id3_size(file.at(position, 10)):
        position += n_bytes
    return position


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
    if head.startswith(WAVES) and head[8:] == b"WAVE":
        end = riff.end_of_data(file)
        size_of = _form_size if head.startswith(b"RIFX") else _riff_size
        return None if end is None else _next_file(file, end, size_of)
    if head[4:8] == b"ftyp":
        return _next_file(file, 0, _mp4_size)
    for magic, first, size_of in _CHUNKED:
        if head.startswith(magic):
            return _next_file(file, first, size_of)
    if head.startswith(b"TTA1"):
        return _end_of_tta(file)
    return promise(file).n_bytes


def _next_file(file: Window, position: int, size_of: Callable[[bytes], int]) -> int | None:
    """Return where, of chunks that follow each other from ``position`` on, one is a file's (or its tags')."""
    while len(header := file.at(at := behind_tags(file, position), 32)) > 8:
        is_continued = header[8:12] == b"AVIX"  # the next gigabyte of the same AVI
        is_later = header.startswith(b"wvpk") and not _begins_wavpack(header)
        if position and sniff.has_audio_header(header, tags=False) and not is_continued and not is_later:
            return position
        size = _tag_size(header) or size_of(header)
        if size < 8:  # open: to the end
            return None
        position = at + size
    return None


def _tag_size(header: bytes) -> int:
    """Return the size of the tag that stands there (APE, ID3v1), or 0."""
    if header.startswith(b"APETAGEX"):
        return 32 + int.from_bytes(header[12:16], "little")
    return 128 if header.startswith(b"TAG") else 0


def _riff_size(header: bytes) -> int:
    size = int.from_bytes(header[4:8], "little")
    return 8 + size + size % 2


def _form_size(header: bytes) -> int:
    size = int.from_bytes(header[4:8], "big")
    return 8 + size + size % 2


def _caf_size(header: bytes) -> int:
    return 12 + int.from_bytes(header[4:12], "big", signed=True)


def _mp4_size(header: bytes) -> int:
    size = int.from_bytes(header[:4], "big")
    return int.from_bytes(header[8:16], "big") if size == 1 else size


def _wavpack_size(header: bytes) -> int:
    return 8 + int.from_bytes(header[4:8], "little")


def _begins_wavpack(header: bytes) -> bool:
    """Is it the first block of a file: the first of its channels, at sample 0?"""
    return header[16:20] == bytes(4) and header[20:24] != bytes(4) and bool(header[25] & 8)


_CHUNKED = (
    (b"RIFF", 12, _riff_size),
    (b"FORM", 12, _form_size),
    (b"caff", 8, _caf_size),
    (b"wvpk", 0, _wavpack_size),
)


def _end_of_tta(file: Window) -> int | None:
    """By its table of the sizes of frames, each of 256 / 245 s."""
    rate, n_samples = struct.unpack("<II", file.at(10, 8).ljust(8, b"\0"))
    if not rate:
        return None
    n_frames = -(-n_samples // (rate * 256 // 245))
    table = file.at(22, 4 * n_frames)
    sizes: tuple[int, ...] = struct.unpack(f"<{len(table) // 4}I", table[: len(table) // 4 * 4])
    return _next_file(file, 26 + 4 * n_frames + sum(sizes), lambda header: 0)
