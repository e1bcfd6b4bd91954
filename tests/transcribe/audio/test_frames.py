"""Orders of channels that are not FFmpeg's own, and many channels: read as they are stored, and nothing dies.

Each file is read in a child process, as in earnest: what frees foreign memory may die only later.
"""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from audio_fixtures import encode, pcm16, sine

from transcribe.audio import process
from transcribe.config import AudioConfig

CONFIG = AudioConfig()


def decode(content: bytes) -> np.ndarray:
    assert process.probe(io.BytesIO(content), CONFIG, "x").n_channels
    return np.concatenate(list(process.blocks(io.BytesIO(content), CONFIG, "x")), axis=1)


def frequencies_hz(samples: np.ndarray) -> list[int]:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(samples.shape[1])))
    return [round(float(f)) for f in np.argmax(spectrum, axis=1) * 16_000 / samples.shape[1]]


def caf(labels: list[int], samples: np.ndarray, sample_format: bytes = b"lpcm") -> bytes:
    """16 kHz, each channel described by a label: 1 left, 2 right."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return kind + struct.pack(">q", len(body)) + body

    n = len(labels)
    described = b"".join(struct.pack(">IIfff", label, 0, 0, 0, 0) for label in labels)
    return (
        b"caff\0\1\0\0"
        + chunk(b"desc", struct.pack(">d4sIIIII", 16_000.0, sample_format, 2, 2 * n, 1, n, 16))
        + chunk(b"chan", struct.pack(">III", 0, 0, n) + described)
        + chunk(b"data", bytes(4) + pcm16(samples))
    )


def quicktime(tag: int, codec: str) -> bytes:
    """5.1 in an order of Apple's."""
    content = bytearray(encode("mov", codec, sine(1.0, 16_000, 200, 6), 16_000))
    at = content.find(b"chan")
    content[at + 8 : at + 12] = struct.pack(">I", tag << 16 | 6)
    return bytes(content)


@pytest.mark.parametrize("labels", [[1, 2], [2, 1], [42, 42], [2, 1, 3], [1, 1, 2, 2]])
def test_channels_come_in_the_order_of_the_file(labels: list[int]) -> None:
    content = caf(labels, sine(1.0, 16_000, 200, len(labels)))
    for _ in range(3):
        assert frequencies_hz(decode(content)) == [200 * (k + 1) for k in range(len(labels))]
    process._end_idle()


@pytest.mark.parametrize("codec", ["pcm_s16le", "pcm_s24be"])
@pytest.mark.parametrize("tag", [121, 122, 123, 124])
def test_film_order_in_quicktime(tag: int, codec: str) -> None:
    content = quicktime(tag, codec)
    for _ in range(3):
        assert frequencies_hz(decode(content)) == [200 * (k + 1) for k in range(6)]
    process._end_idle()


@pytest.mark.parametrize(
    ("container", "codec", "n_channels"),
    [
        ("ipod", "aac", 8),
        ("matroska", "libopus", 8),
        ("wv", "wavpack", 8),
        ("wv", "wavpack", 6),
        ("matroska", "pcm_s16le", 32),
        ("wav", "pcm_f32le", 9),
    ],
)
def test_many_channels(container: str, codec: str, n_channels: int) -> None:
    rate = 48_000
    samples = decode(encode(container, codec, sine(1.0, rate, 200, n_channels), rate))
    found = frequencies_hz(samples[:, :16_000])
    expected = [200 * (k + 1) for k in range(n_channels)]
    assert len(found) == n_channels
    if codec in ("wavpack", "pcm_s16le", "pcm_f32le"):
        assert found == expected
    else:  # the low-frequency channel of lossy codecs hears little, and each codec orders them its own way
        assert len(set(found) & set(expected)) >= n_channels - 1


def test_memory_is_bounded_by_channels_too() -> None:
    config = CONFIG.model_copy(update={"decoder_memory_gb": 0.4, "block_s": 600.0})
    content = encode("wav", "pcm_s16le", np.tile(sine(20.0, 48_000), (64, 1)), 48_000)
    sizes = [block.shape for block in process.blocks(io.BytesIO(content), config, "x")]
    assert {n for n, _ in sizes} == {64} and sum(n for _, n in sizes) == 20 * 16_000
    assert max(n for _, n in sizes) * 64 <= 1 << 22
