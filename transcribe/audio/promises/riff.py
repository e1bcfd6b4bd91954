"""WAV, RF64, BW64 and AVI: chunks of four letters and a size; and W64, the same with GUIDs."""

from __future__ import annotations

from transcribe.audio.promises.promise import Promise, hold
from transcribe.audio.window import Window

WAVES = (b"RIFF", b"RF64", b"BW64")
_W64_ALIGNMENT = 8
_PCM_CODES = {1, 3, 6, 7}


def wave_options(file: Window) -> dict[str, str]:
    """Demuxer options for a WAV, RF64 or BW64 ``file``, after holding its header against its size.

    A data size near 2^31 or 2^32 is what streaming writers leave: read to the end of the file. A size too
    small (0 in streams; it wraps at 4 GiB; crashed recorders do not update it) is ignored likewise, unless
    what follows the data is a chunk. Raises DecodeError ``truncated`` if audio is missing.
    """
    data = _data_chunk(file)
    if data is None or data.is_stream:
        return {}  # without one, the decoder says what it makes of that
    hold(Promise(data.size / data.byte_rate, data.position + data.size), file.n_bytes)
    following = data.position + data.size + data.size % 2
    if _chunk_fits(file, following) or file.n_bytes - data.position - data.size < 8:
        return {}
    return {"ignore_length": "1"}


def wave(file: Window) -> Promise:
    """By the data's size; by the count of samples in the ``fact`` chunk for compressed audio."""
    data = _data_chunk(file)
    if data is None or data.is_stream or data.size > file.n_bytes - data.position:
        return Promise()
    if data.code in _PCM_CODES or not data.n_samples:
        return Promise(data.size / data.byte_rate) if data.code in _PCM_CODES else Promise()
    duration_s = data.n_samples / data.rate
    plausible = 0.5 < duration_s / max(data.size / data.byte_rate, 1e-9) < 2
    return Promise(duration_s if plausible else None)


def avi(file: Window) -> Promise:
    """By the size of the first RIFF; the length of its audio is in the stream's own header."""
    size = int.from_bytes(file.at(4, 4), "little")
    return Promise(n_bytes=8 + size if 0 < size < 0x7FFFF000 else None)


def w64(file: Window) -> Promise:
    """By the size of the whole and the rate of its bytes."""
    size = int.from_bytes(file.at(16, 8), "little")
    if not 0 < size < 1 << 48:
        return Promise()
    position = 40
    byte_rate, n_data = 0, 0
    while len(header := file.at(position, 24)) == 24:
        n_chunk = int.from_bytes(header[16:24], "little")
        if header[:4] == b"fmt ":
            byte_rate = int.from_bytes(file.read(12)[8:12], "little")
        if header[:4] == b"data":
            n_data = max(n_chunk - 24, 0)
            break
        if n_chunk < 24:
            break
        position += -(-n_chunk // _W64_ALIGNMENT) * _W64_ALIGNMENT
    n_bytes = max(size, position + 24 + n_data)
    return Promise(n_data / byte_rate if byte_rate else None, n_bytes)


class _Data:
    """A WAV's data chunk and what its other chunks say of it."""

    def __init__(self) -> None:
        self.code = 0
        self.rate = self.byte_rate = 1
        self.n_samples = 0  # by the fact chunk
        self.position = self.size = 0
        self.is_stream = False


def _data_chunk(file: Window) -> _Data | None:
    data, wide_size, position = _Data(), 0, 12
    while len(chunk := file.at(position, 8)) == 8:
        kind, size = chunk[:4], int.from_bytes(chunk[4:], "little")
        position += 8
        if kind == b"data":
            data.position, data.size = position, size
            if size == 0xFFFFFFFF and wide_size:
                data.size = wide_size
            else:
                data.is_stream = 0x7FFFF000 <= size <= 0x80000000 or size >= 0xFFFFF000
            return data
        content = file.read(min(size, 40))
        if kind == b"fmt ":
            data.code = int.from_bytes(content[:2], "little")
            if data.code == 0xFFFE:  # extensible: the real code begins its GUID
                data.code = int.from_bytes(content[24:26], "little")
            data.rate = max(int.from_bytes(content[4:8], "little"), 1)
            data.byte_rate = max(int.from_bytes(content[8:12], "little"), 1)
        elif kind == b"ds64":
            wide_size = int.from_bytes(content[8:16], "little")
        elif kind == b"fact":
            data.n_samples = int.from_bytes(content[:4], "little")
        position += size + size % 2
    return None


def _chunk_fits(file: Window, position: int) -> bool:
    header = file.at(position, 8)
    named = len(header) == 8 and all(0x20 <= byte < 0x7F for byte in header[:4])
    return named and position + 8 + int.from_bytes(header[4:], "little") <= file.n_bytes + 1
