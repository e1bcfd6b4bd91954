"""Core Audio, AU, SPHERE, VOC and FLV: each says once how much it holds."""

from __future__ import annotations

import contextlib
import struct

from transcribe.audio.promises.promise import REMEDY, Promise
from transcribe.audio.window import Window
from transcribe.errors import DecodeError

_VOC = b"Creative Voice File"
_VOC_KINDS = range(1, 10)


def caf(file: Window) -> Promise:
    """By the data chunk's size: the description gives its rate where packets are all alike."""
    byte_rate, position = 0.0, 8
    while len(header := file.at(position, 12)) == 12:
        kind, size = header[:4], int.from_bytes(header[4:], "big", signed=True)
        if kind == b"desc":
            rate, _, _, packet_bytes, packet_frames, *_ = struct.unpack(">d4sIIIII", file.read(32).ljust(32))
            byte_rate = rate * packet_bytes / packet_frames if packet_frames else 0.0
        if kind == b"data":
            if size < 0:
                break
            n_bytes = position + 12 + size
            return Promise((size - 4) / byte_rate if byte_rate > 0 else None, n_bytes)
        position += 12 + max(size, 0)
    return Promise()


def au(file: Window) -> Promise:
    """By the size of the data; its duration is known to the decoder."""
    header_bytes, n_data = struct.unpack(">II", file.at(4, 8).ljust(8, b"\xff"))
    return Promise(n_bytes=header_bytes + n_data if 0 < n_data < 0xFFFFFF00 else None)


def sphere(file: Window) -> Promise:
    """By ``sample_count``; its bytes only where the samples are not compressed."""
    with contextlib.suppress(ValueError, KeyError, ZeroDivisionError):
        n_header = int(file.at(8, 8))
        fields = {}
        for line in file.at(0, n_header).decode("latin-1").splitlines():
            name, _, value = line.partition(" ")
            fields[name] = value.split(" ", 1)[-1].strip()
        n_samples = int(fields["sample_count"])
        n_bytes = None
        if "embedded" not in fields.get("sample_coding", "pcm"):
            size = int(fields["sample_n_bytes"]) * int(fields.get("channel_count", "1"))
            n_bytes = n_header + n_samples * size
        return Promise(n_samples / int(fields["sample_rate"]), n_bytes)
    return Promise()


def voc(file: Window) -> Promise:
    """By its blocks, each of which has a size. Raises DecodeError ``corrupt_audio`` where one has no kind."""
    position = int.from_bytes(file.at(20, 2), "little")
    while header := file.at(position, 4):
        if header[0] == 0:
            break
        if header[0] not in _VOC_KINDS:
            raise DecodeError(
                "corrupt_audio",
                f"byte {position:,} should begin a block and does not: something is missing before it",
                "fetch the recording again: the copy is damaged",
            )
        position += 4 + int.from_bytes(header[1:], "little")
    rest = file.at(position + 1, 20)
    if (file.n_bytes - position) > 0.01 * file.n_bytes and not rest.startswith(_VOC):
        raise DecodeError(
            "corrupt_audio",
            f"the last block ends at byte {position:,} of {file.n_bytes:,}",
            "fetch the recording again: the copy is damaged",
        )
    if position > file.n_bytes:  # inside a block, which may be any part of the whole
        raise DecodeError(
            "truncated",
            f"the header of the last block promises {position:,} bytes, the file has {file.n_bytes:,}",
            REMEDY,
        )
    return Promise(n_bytes=min(position + 1, file.n_bytes))


def flv(file: Window) -> Promise:
    """By what its writer noted in ``onMetaData``: the size of the file."""
    head = file.at(0, 4096)
    at = head.find(b"\0\x08filesize\0")
    if at < 0 or len(head) < at + 19:
        return Promise()
    size = struct.unpack(">d", head[at + 11 : at + 19])[0]
    return Promise(n_bytes=int(size) if 0 < size < 1 << 48 else None)


def is_whole_flv(file: Window) -> bool:
    """Does each tag end with its own size? A decoder passes over what is none, and it looks like a pause."""
    position = 9 + 4
    while len(tag := file.at(position, 11)) == 11:
        size = 11 + int.from_bytes(tag[1:4], "big")
        if tag[0] & 0x1F not in (8, 9, 18) or int.from_bytes(file.at(position + size, 4), "big") != size:
            return False
        position += size + 4
    return True
