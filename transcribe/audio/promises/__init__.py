"""What each container's header promises of its file: small readers, one module a family, bytes to numbers."""

from __future__ import annotations

from transcribe.audio.promises import asf, avi, matroska, mpeg, plain, riff
from transcribe.audio.promises.promise import Promise
from transcribe.audio.window import Window

_READERS = {
    **dict.fromkeys(riff.WAVES, riff.wave),
    b"riff\x2e\x91": riff.w64,
    b"caff": plain.caf,
    b".snd": plain.au,
    b"NIST_1A": plain.sphere,
    b"Creative Voice File": plain.voc,
    b"FLV\x01": plain.flv,
    asf.HEADER: asf.asf,
    matroska.EBML: matroska.matroska,
    b"ID3": mpeg.mp3,
}


def promise(file: Window) -> Promise:
    """By the file's first bytes. What libav itself counts (FLAC, MP4, AIFF, Ogg, ...) is not read here.

    Raises DecodeError where blocks that say their size do not follow each other.
    """
    head = file.at(0, 20)
    if head[8:12] == b"AVI ":
        return avi.avi(file)
    if head[:1] == b"\xff" and head[1:2] >= b"\xe0" and head[1] & 6:  # an MPEG frame of layers 1 to 3
        return mpeg.mp3(file)
    return next((read(file) for magic, read in _READERS.items() if head.startswith(magic)), Promise())
