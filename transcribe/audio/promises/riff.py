"""WAV, RIFX, RF64 and BW64: chunks of four letters and a size; and W64, the same with GUIDs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from transcribe.audio.promises.promise import Promise, hold
from transcribe.audio.window import Window
from transcribe.config import HeaderlessConfig
from transcribe.errors import DecodeError

WAVES = (b"RIFF", b"RIFX", b"RF64", b"BW64")
_W64_ALIGNMENT = 8
_PCM_CODES = {1, 3, 6, 7}
_BLOCK_CODES = {0x02, 0x11, 0x31}  # Microsoft's and IMA's ADPCM, GSM: the header says what a block holds
_BIG_ENDIAN = {
    **{(1, 1): "u8", (1, 2): "s16be", (1, 3): "s24be", (1, 4): "s32be"},
    **{(3, 4): "f32be", (3, 8): "f64be", (6, 1): "alaw", (7, 1): "mulaw"},
}
"""FFmpeg's demuxers of samples by their code in a RIFX header and their width in bytes."""


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


def big_endian(file: Window) -> tuple[HeaderlessConfig, Window] | None:
    """Return how the samples of a RIFX ``file`` are stored, and where; None if it is no RIFX.

    FFmpeg's own reader takes them for little-endian ones. Raises DecodeError ``no_decoder`` or ``not_audio``
    where the header does not describe samples that can be read, and ``truncated``.
    """
    if file.at(0, 4) != b"RIFX" or file.at(8, 4) != b"WAVE":
        return None
    data = _data_chunk(file)
    if data is None or not (data.n_channels and data.rate):
        raise DecodeError("not_audio", "its header is cut off or damaged", "fetch the recording again")
    demuxer = _BIG_ENDIAN.get((data.code, data.block_bytes // data.n_channels))
    if demuxer is None:
        raise DecodeError(
            "no_decoder",
            f"no decoder for a big-endian WAV (RIFX) of format {data.code:#06x}",
            "convert it, to FLAC for example",
        )
    is_open = data.is_stream or bool(wave_options(file))
    end = file.n_bytes if is_open else min(data.position + data.size, file.n_bytes)
    layout = HeaderlessConfig(format=demuxer, sample_rate=data.rate, n_channels=data.n_channels)
    return layout, file.part(data.position, end)


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


@dataclass
class _Data:
    """A WAV's data chunk and what its other chunks say of it."""

    order: Literal["little", "big"]
    position: int = 0
    size: int = 0
    is_stream: bool = False
    format: bytes = field(default=b"", repr=False)  # the ``fmt`` chunk

    @property
    def code(self) -> int:
        """The kind of samples; that of an extensible format begins its GUID."""
        code = self.number(0, 2)
        return self.number(24, 28) & 0xFFFF if code == 0xFFFE else code

    @property
    def n_channels(self) -> int:
        return self.number(2, 4)

    @property
    def rate(self) -> int:
        return self.number(4, 8)

    @property
    def block_bytes(self) -> int:
        return self.number(12, 14)

    @property
    def duration_s(self) -> float | None:
        if self.code in _BLOCK_CODES and self.block_bytes and self.rate:
            return self.size / self.block_bytes * self.number(18, 20) / self.rate or None
        byte_rate = self.number(8, 12)
        return self.size / byte_rate if self.code in _PCM_CODES and byte_rate else None

    def number(self, start: int, end: int) -> int:
        """Return the number in bytes ``start`` to ``end`` of the ``fmt`` chunk."""
        return int.from_bytes(self.format[start:end], self.order)


def _data_chunk(file: Window) -> _Data | None:
    data = _Data("big" if file.at(0, 4) == b"RIFX" else "little")
    wide_size, position = 0, 12
    while len(chunk := file.at(position, 8)) == 8:
        kind, size = chunk[:4], int.from_bytes(chunk[4:], data.order)
        position += 8
        if kind == b"data":
            data.position, data.size = position, size
            if size == 0xFFFFFFFF and wide_size:
                data.size = wide_size
            else:
                data.is_stream = 0x7FFFF000 <= size <= 0x80000000 or size >= 0xFFFFF000
            return data
        if kind == b"fmt ":
            data.format = file.read(min(size, 40))
        elif kind == b"ds64":
            wide_size = int.from_bytes(file.read(16)[8:16], "little")
        position += size + size % 2
    return None


def _chunk_fits(file: Window, position: int) -> bool:
    header = file.at(position, 8)
    order: Literal["little", "big"] = "big" if file.at(0, 4) == b"RIFX" else "little"
    named = len(header) == 8 and all(0x20 <= byte < 0x7F for byte in header[:4])
    return named and position + 8 + int.from_bytes(header[4:], order) <= file.n_bytes + 1
