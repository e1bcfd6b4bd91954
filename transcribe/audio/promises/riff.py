"""WAV, RF64 and BW64: chunks of four letters and a size; and W64, the same with GUIDs."""

from __future__ import annotations

from transcribe.audio.promises.promise import Promise, hold
from transcribe.audio.window import Window

WAVES = (b"RIFF", b"RF64", b"BW64")
_W64_ALIGNMENT = 8
_PCM_CODES = {1, 3, 6, 7}
_BLOCK_CODES = {0x02, 0x11, 0x31}  # Microsoft's and IMA's ADPCM, GSM: the header says what a block holds


def wave_options(file: Window) -> dict[str, str]:
    """Demuxer options for a WAV, RF64 or BW64 ``file``, after holding its header against its size.

    A data size near 2^31 or 2^32 is what streaming writers leave: read to the end of the file. A size too
    small (0 in streams; it wraps at 4 GiB; crashed recorders do not update it) is ignored likewise, unless
    what follows the data is a chunk. Raises DecodeError ``truncated`` if audio is missing.
    """
    data = _data_chunk(file)
    if data is None or data.is_stream:
        return {}  # without one, the decoder says what it makes of that
    hold(Promise(data.duration_s, data.position + data.size), file.n_bytes)
    following = data.position + data.size + data.size % 2
    if _chunk_fits(file, following) or file.n_bytes - data.position - data.size < 8:
        return {}
    return {"ignore_length": "1"}


def wave(file: Window) -> Promise:
    """By the data's size, where it is known how much audio that is."""
    data = _data_chunk(file)
    return Promise() if data is None or data.is_stream else Promise(data.duration_s)


def end_of_data(file: Window) -> int | None:
    """Where a WAV's samples end; None if the header does not say."""
    data = _data_chunk(file)
    return None if data is None or data.is_stream else data.position + data.size + data.size % 2


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
        self.position = self.size = 0
        self.is_stream = False
        self._format = b""

    def describe(self, content: bytes) -> None:
        """Take the ``fmt`` chunk."""
        self._format = content

    @property
    def duration_s(self) -> float | None:
        code, rate, byte_rate, block_bytes = (
            int.from_bytes(self._format[start:end], "little")
            for start, end in ((0, 2), (4, 8), (8, 12), (12, 14))
        )
        if code == 0xFFFE:  # extensible: the real code begins its GUID
            code = int.from_bytes(self._format[24:26], "little")
        if code in _BLOCK_CODES and block_bytes and rate:
            return self.size / block_bytes * int.from_bytes(self._format[18:20], "little") / rate or None
        return self.size / byte_rate if code in _PCM_CODES and byte_rate else None


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
        if kind == b"fmt ":
            data.describe(file.read(min(size, 40)))
        elif kind == b"ds64":
            wide_size = int.from_bytes(file.read(16)[8:16], "little")
        position += size + size % 2
    return None


def _chunk_fits(file: Window, position: int) -> bool:
    header = file.at(position, 8)
    named = len(header) == 8 and all(0x20 <= byte < 0x7F for byte in header[:4])
    return named and position + 8 + int.from_bytes(header[4:], "little") <= file.n_bytes + 1
