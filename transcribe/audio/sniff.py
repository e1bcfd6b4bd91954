"""What a file's bytes say before a decoder is asked: pointer files, documents, WAV headers that lie.

Decoders answer "invalid data" to all of these; here each gets its true reason.
"""

from __future__ import annotations

import codecs
import struct
import zlib
from typing import BinaryIO

from transcribe.errors import DecodeError

N_HEAD_BYTES = 4096
"""How much of a file's beginning the functions here want as ``head``."""

_DOCUMENTS = (
    (b"PK\x03\x04", "a ZIP archive or Office document"),
    (b"\x1f\x8b\x08", "a gzip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!", "a RAR archive"),
    (b"%PDF-", "a PDF document"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"PAR1", "a Parquet table"),
    (b"SQLite format 3", "an SQLite database"),
)
_AUDIO_HEADERS = (
    b"RIFF", b"RF64", b"FORM", b"OggS", b"fLaC", b"ID3", b"\x1aE\xdf\xa3", b"\x30\x26\xb2\x75", b"#!AMR",
    b"caff", b"riff", b".snd", b"NIST_1A", b"FLV\x01",
)  # fmt: skip
_MIRRORED_BYTES = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_MP3_PADDING_SAMPLES = 2 * 1152
_MARKUP = ((b"<!doctype html", "an HTML page"), (b"<html", "an HTML page"), (b"<?xml", "an XML document"))


def has_audio_header(head: bytes) -> bool:
    """Does ``head`` begin with the signature of a container, whatever the file's name says?"""
    return head.startswith(_AUDIO_HEADERS) or head[4:8] == b"ftyp"


def refuse_documents(head: bytes, *, headerless: bool) -> None:
    """Raise DecodeError ``pointer_file`` or ``not_audio`` if ``head`` is plainly no audio.

    Headerless audio may look like text (A-law silence is "UUUU"), so it is refused by signature only.
    """
    text = not headerless and _is_text(head)
    if head.startswith((b"version https://git-lfs", b"/annex/objects/")) or (
        text and b"annex/objects/" in head
    ):
        raise DecodeError(
            "pointer_file",
            "a Git LFS or git-annex pointer stands in the recording's place: the audio was not fetched",
            "run `git lfs pull` or `git annex get` where the recordings come from, then copy them again",
        )
    beginning = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    kinds = [kind for magic, kind in _DOCUMENTS if head.startswith(magic)]
    kinds += [kind for markup, kind in _MARKUP if beginning.startswith(markup)]
    if text:
        kinds.append("a JSON document" if beginning.startswith((b"{", b"[")) else "plain text")
    if kinds:
        raise DecodeError("not_audio", f"the file is {kinds[0]}, not audio", "replace it with the recording")


def undecodable(head: bytes, n_bytes: int) -> DecodeError:
    """Why no decoder took a file of ``n_bytes`` that begins with ``head``."""
    if head[4:8] in (b"ftyp", b"mdat", b"moov", b"wide"):
        return DecodeError(
            "truncated",
            f"an MP4 or QuickTime file of {n_bytes:,} bytes without a usable index: that is written last, so "
            "the file was cut off or its recorder never finished",
            "fetch the recording again, or rebuild its index with a repair tool",
        )
    remedy = "fetch the recording again"
    if has_audio_header(head):
        seen = f"its {n_bytes:,} bytes begin like audio, but the header is cut off or damaged"
    elif not head.strip(b"\0"):
        seen = "it begins with zero bytes only, as after an interrupted copy"
    else:
        seen = f"no decoder recognises its content (first bytes: {head[:8].hex(' ')})"
        remedy += "; if it is headerless audio, describe its extension under audio.headerless"
    return DecodeError("not_audio", seen, remedy)


def wav_options(file: BinaryIO, n_bytes: int) -> dict[str, str]:
    """Demuxer options for the WAV or RF64 ``file`` of ``n_bytes``, after holding its header against its size.

    A data size near 2^31 or 2^32 is what streaming writers leave: read to the end of the file. A size too
    small (0 in streams; it wraps at 4 GiB; crashed recorders do not update it) is ignored likewise, unless
    what follows the data is a chunk. Raises DecodeError ``truncated`` if audio is missing.
    """
    byte_rate, wide_size, position = 1, None, 12
    while True:
        file.seek(position)
        chunk = file.read(8)
        if len(chunk) < 8:
            return {}  # no data chunk: the decoder says what it makes of that
        kind, size = chunk[:4], int.from_bytes(chunk[4:], "little")
        position += 8
        if kind == b"data":
            break
        if kind == b"fmt ":
            byte_rate = max(int.from_bytes(file.read(12)[8:12], "little"), 1)
        elif kind == b"ds64":
            wide_size = struct.unpack("<Q", file.read(16)[8:16].ljust(8, b"\0"))[0]
        position += size + size % 2
    if size == 0xFFFFFFFF and wide_size:
        size = wide_size
    elif 0x7FFFF000 <= size <= 0x80000000 or size >= 0xFFFFF000:
        return {}
    held = n_bytes - position
    if (size - held) / byte_rate > tolerated_s(size / byte_rate):
        raise truncated(promised_s=size / byte_rate, held_s=held / byte_rate)
    if _chunk_fits(file, position + size + size % 2, n_bytes) or held - size < 8:
        return {}
    return {"ignore_length": "1"}


def tolerated_s(duration_s: float) -> float:
    """How much of a recording may be missing: encoder padding, rounded headers, isolated bad packets."""
    return min(1.0, max(0.25, 0.01 * duration_s))


def truncated(promised_s: float, held_s: float) -> DecodeError:
    """The error for a recording whose header promises more audio than the file holds."""
    return DecodeError(
        "truncated",
        f"the header promises {promised_s:.2f} s of audio, the file holds {held_s:.2f} s",
        "fetch the recording again: the copy or the recording itself was cut off",
    )


def mp3_samples(file: BinaryIO) -> int | None:
    """Samples per channel that an MP3's first frame counts (Xing or Info header), less any encoder padding.

    None without that header: the duration is then an estimate from the bit rate. Leaves ``file`` where it
    was, for the decoder that is reading it.
    """
    position = file.tell()
    file.seek(0)
    while (tag := file.read(10)).startswith(b"ID3"):
        tag_size = sum((byte & 0x7F) << shift for byte, shift in zip(tag[6:], (21, 14, 7, 0), strict=False))
        file.seek(tag_size, 1)
    frame = tag + file.read(246)
    file.seek(position)
    at = max(frame.find(b"Xing"), frame.find(b"Info"))
    if at < 4 or frame[:1] != b"\xff" or not frame[at + 7] & 1:
        return None
    samples_per_frame = 1152 if frame[1] & 0x18 == 0x18 else 576  # MPEG 1, or 2 and 2.5
    return max(int.from_bytes(frame[at + 8 : at + 12], "big") * samples_per_frame - _MP3_PADDING_SAMPLES, 0)


def is_whole_ogg(file: BinaryIO) -> bool:
    """Do all pages of an Ogg file follow each other, numbered in sequence and with right checksums?

    A decoder skips what does not, without an error, and the hole looks like a pause of the recording.
    """
    file.seek(0)
    next_numbers: dict[bytes, int] = {}
    while header := file.read(27):
        lacing = file.read(header[26]) if len(header) == 27 else b""
        page = header[:22] + bytes(4) + header[26:] + lacing + file.read(sum(lacing))
        serial, number = header[14:18], int.from_bytes(header[18:22], "little")
        if not header.startswith(b"OggS") or number != next_numbers.get(serial, number):
            return False
        # Ogg's CRC-32 is zlib's with all bits mirrored and nothing inverted.
        mirrored = zlib.crc32(page.translate(_MIRRORED_BYTES), 0xFFFFFFFF) ^ 0xFFFFFFFF
        if mirrored.to_bytes(4, "big").translate(_MIRRORED_BYTES) != header[22:26]:
            return False
        next_numbers[serial] = number + 1
    return True


def _chunk_fits(file: BinaryIO, position: int, n_bytes: int) -> bool:
    file.seek(position)
    header = file.read(8)
    named = all(0x20 <= byte < 0x7F for byte in header[:4])
    return named and position + 8 + int.from_bytes(header[4:], "little") <= n_bytes + 1


def _is_text(head: bytes) -> bool:
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return bool(text) and all(character.isprintable() or character in "\t\r\n\f\ufeff" for character in text)
