"""What a file's bytes say before a decoder is asked: pointer files, documents, damaged headers.

Decoders answer "invalid data" to all of these; here each gets its true reason.
"""

from __future__ import annotations

import codecs
import re

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
    b"RIFF", b"RIFX", b"RF64", b"BW64", b"FORM", b"OggS", b"fLaC", b"\x1aE\xdf\xa3", b"\x30\x26\xb2\x75",
    b"#!AMR", b"caff", b"riff\x2e\x91", b".snd", b"NIST_1A", b"FLV\x01", b"Creative Voice", b"wvpk", b"TTA1",
)  # fmt: skip
_LINK = re.compile(rb"(?![^/]*://)[^\r\n]{0,1000}/[^\r\n/]{1,255}\.\w{1,5}")  # all of the file, no line's end
_MARKUP = ((b"<!doctype html", "an HTML page"), (b"<html", "an HTML page"), (b"<?xml", "an XML document"))


def has_audio_header(head: bytes, *, tags: bool = True) -> bool:
    """Does ``head`` begin with the signature of a container, whatever the file's name says?

    An ID3 tag is one at the beginning of a file, but may also stand at an end (``tags=False``).
    """
    return head.startswith(_AUDIO_HEADERS) or head[4:8] == b"ftyp" or (tags and head.startswith(b"ID3"))


def id3_size(header: bytes) -> int:
    """Return the size of the ID3v2 tag that ``header`` (10 bytes suffice) begins with, or 0."""
    if not header.startswith(b"ID3") or len(header) < 10 or max(header[6:10]) > 0x7F:
        return 0
    size = sum(byte << shift for byte, shift in zip(header[6:10], (21, 14, 7, 0), strict=True))
    has_footer = header[5] & 0x10
    return size + (20 if has_footer else 10)


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
    if text and _LINK.fullmatch(head):
        raise DecodeError(
            "pointer_file",
            "the name of another file stands in the recording's place: a link that was copied as text",
            "copy what the link leads to",
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


def _is_text(head: bytes) -> bool:
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return bool(text) and all(character.isprintable() or character in "\t\r\n\f\ufeff" for character in text)
