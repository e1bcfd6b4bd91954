"""Generated recordings: sines in every container and codec that PyAV can write, WAV headers byte by byte."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Collection

import av
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


def sine(duration_s: float, rate: int, frequency_hz: float = 440.0, n_channels: int = 1) -> Floats:
    """Shape (n_channels, n_samples), amplitude 0.5; channel k has (k + 1) times the frequency."""
    seconds = np.arange(round(duration_s * rate)) / rate
    rows = [np.sin(2 * np.pi * frequency_hz * (k + 1) * seconds) for k in range(n_channels)]
    return (0.5 * np.stack(rows)).astype(np.float32)


def encode(
    container: str,
    codec: str,
    samples: Floats,
    rate: int,
    *,
    options: dict[str, str] | None = None,
    drop_packets: Collection[int] = (),
) -> bytes:
    """``samples`` of shape (n_channels, n_samples) as a file of ``container``."""
    file = io.BytesIO()
    layout = {1: "mono", 2: "stereo", 6: "5.1"}[len(samples)]
    with av.open(file, "w", format=container, options=options or {}) as output:
        stream = output.add_stream(codec, rate=rate, layout=layout)
        size = 1024
        fit = av.AudioResampler(stream.format.name, layout, rate, stream.codec_context.frame_size or size)
        frames = []
        for start in range(0, samples.shape[1], size):
            piece = np.ascontiguousarray(samples[:, start : start + size])
            frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout=layout)
            frame.sample_rate, frame.pts = rate, start
            frames += fit.resample(frame)
        packets = [
            packet for frame in [*frames, *fit.resample(None), None] for packet in stream.encode(frame)
        ]
        for k, packet in enumerate(packets):
            if k not in drop_packets:
                output.mux(packet)
    return file.getvalue()


def video(container: str = "mp4") -> bytes:
    """One second of black pictures without sound."""
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream("mpeg4", rate=25)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for frame in [av.VideoFrame(64, 64, "yuv420p") for _ in range(25)] + [None]:
            for packet in stream.encode(frame):
                output.mux(packet)
    return file.getvalue()


def wav(
    pcm: bytes,
    *,
    rate: int = 8000,
    n_channels: int = 1,
    bits: int = 16,
    code: int = 1,
    claimed_bytes: int | None = None,
) -> bytes:
    """A WAV file whose header may claim another data size than that of ``pcm``."""
    n_bytes = len(pcm) if claimed_bytes is None else claimed_bytes
    block = n_channels * bits // 8
    layout = struct.pack("<HHIIHH", code, n_channels, rate, rate * block, block, bits)
    header = b"WAVEfmt " + struct.pack("<I", len(layout)) + layout + b"data" + struct.pack("<I", n_bytes)
    return b"RIFF" + struct.pack("<I", min(len(header) + n_bytes, 0xFFFFFFFF)) + header + pcm


def pcm16(samples: Floats) -> bytes:
    return np.rint(samples.T * 32767).astype("<i2").tobytes()


def damaged(content: bytes, change: Callable[[bytearray], None]) -> bytes:
    copy = bytearray(content)
    change(copy)
    return bytes(copy)
