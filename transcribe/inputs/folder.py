"""What of a folder is a recording: all files but those that programs lay beside recordings."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import PurePosixPath

from transcribe.audio.sniff import N_HEAD_BYTES, has_audio_header
from transcribe.errors import StorageError
from transcribe.storage.files import open_binary
from transcribe.storage.s3 import S3Options, Stat

_EXTENSIONS = """
    .txt .json .jsonl .ndjson .csv .tsv .xml .yaml .yml .md .log .html .htm .rtf .ini .parquet
    .srt .vtt .ass .sub .ttml .lrc .stm .ctm .rttm .lab .textgrid .trs .eaf .cha
    .pdf .doc .docx .xls .xlsx .jpg .jpeg .png .gif .webp .svg .cue .m3u .m3u8 .pls
    .md5 .sha1 .sha256 .zip .gz .7z .tar
    .url .lnk .webloc .desktop .nfo .asd .sfk .pkf .peak .reapeaks .torrent
"""
SIDECARS = frozenset(_EXTENSIONS.split())
"""Extensions of what lies beside recordings: their texts, labels, tables, pictures, checksums."""


def is_sidecar(found: Stat, headerless: Collection[str], s3: S3Options) -> bool:
    """Has the file such an extension, and does it not begin like audio all the same?

    ``headerless``: extensions that the settings know as audio.
    """
    suffix = PurePosixPath(found.uri).suffix.lower()
    if suffix not in SIDECARS or suffix in headerless:
        return False
    if not found.size_bytes:
        return True
    try:
        with open_binary(found.uri, s3) as file:
            return not _begins_like_audio(file.read(N_HEAD_BYTES))
    except StorageError:
        return False  # it is tried, and its failure says why


def _begins_like_audio(head: bytes) -> bool:
    mpeg = head[:1] == b"\xff" and head[1:2] >= b"\xe0" and head[1:2] != b"\xfe"  # FF FE: text in UTF-16
    return has_audio_header(head) or mpeg
