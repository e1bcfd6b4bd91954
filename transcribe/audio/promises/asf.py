"""WMA and other ASF: the header counts the file's bytes, its time and its packets, all of one size."""

from __future__ import annotations

import struct

from transcribe.audio.promises.promise import Promise
from transcribe.audio.window import Window

HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_DATA = bytes.fromhex("3626b2758e66cf11a6d900aa0062ce6c")
_N_DATA_HEADER_BYTES = 50
_IS_BROADCAST = 1


def asf(file: Window) -> Promise:
    """By the File Properties, which a live broadcast leaves open."""
    n_bytes, play_100ns, preroll_ms, flags, _ = _properties(file)
    if flags & _IS_BROADCAST or not 0 < n_bytes < 1 << 48:
        return Promise()
    duration_s = play_100ns / 1e7 - preroll_ms / 1e3
    return Promise(duration_s if 0 < duration_s < 1e6 else None, n_bytes)


def is_whole(file: Window) -> bool:
    """Does each packet begin as the first does? A decoder passes over others; it looks like a pause."""
    packet_bytes = _properties(file)[-1]
    data = file.find(_DATA)
    if data is None or packet_bytes < 3:
        return False
    n_packets = int.from_bytes(file.at(data + 40, 8), "little")
    first = data + _N_DATA_HEADER_BYTES
    n_packets = min(n_packets, (file.n_bytes - first) // packet_bytes)
    starts = (file.at(first + k * packet_bytes, 3) for k in range(n_packets))
    return len(set(starts)) < 2


def _properties(file: Window) -> tuple[int, int, int, int, int]:
    """Bytes of the file, time to play in 100 ns, preroll in ms, flags, bytes of a packet."""
    head = file.at(0, 1 << 16)
    at = head.find(_FILE_PROPERTIES)
    if at < 0 or len(head) < at + 100:
        return 0, 0, 0, 0, 0
    n_bytes, _, _, play_100ns, _, preroll_ms = struct.unpack("<6Q", head[at + 40 : at + 88])
    return n_bytes, play_100ns, preroll_ms, *struct.unpack("<II", head[at + 88 : at + 96])
