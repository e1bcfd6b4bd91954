"""WMA and other ASF: the header counts the file's bytes and its time."""

from __future__ import annotations

import struct

from transcribe.audio.promises.promise import Promise
from transcribe.audio.window import Window

HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_IS_BROADCAST = 1


def asf(file: Window) -> Promise:
    """By the File Properties, which a live broadcast leaves open."""
    head = file.at(0, 1 << 16)
    at = head.find(_FILE_PROPERTIES)
    if at < 0 or len(head) < at + 92:
        return Promise()
    n_bytes, _, _, play_100ns, _, preroll_ms, flags = struct.unpack(
        "<7Q", head[at + 40 : at + 96].ljust(56, b"\0")
    )
    if flags & _IS_BROADCAST or not n_bytes:
        return Promise()
    duration_s = play_100ns / 1e7 - preroll_ms / 1e3
    return Promise(duration_s if 0 < duration_s < 1e6 else None, n_bytes if n_bytes < 1 << 48 else None)
