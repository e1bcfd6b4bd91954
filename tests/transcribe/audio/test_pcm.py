"""Both decoders give the same samples; libsndfile reads what the rule of ``pcm.py`` says, and no more."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
import soundfile
from audio_fixtures import encode, pcm16, sine, wav

from transcribe.audio import decode, pcm
from transcribe.audio.window import Window
from transcribe.errors import DecodeError

RATE = 16_000
FAMILY = [
    (name, subtype)
    for name, subtypes in {
        "WAV": ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ALAW", "ULAW"),
        "WAVEX": ("PCM_16", "PCM_24", "FLOAT"),
        "RF64": ("PCM_16", "PCM_24"),
        "W64": ("PCM_16", "PCM_24", "FLOAT"),
        "AIFF": ("PCM_S8", "PCM_16", "PCM_24", "FLOAT", "ULAW"),
        "AU": ("PCM_16", "PCM_24", "DOUBLE", "ULAW"),
        "CAF": ("PCM_16", "PCM_24", "PCM_32", "FLOAT", "ALAW"),
        "FLAC": ("PCM_16", "PCM_24"),
    }.items()
    for subtype in subtypes
]


def written(name: str, subtype: str, samples: np.ndarray) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples.T, RATE, format=name, subtype=subtype)
    return file.getvalue()


def read(content: bytes) -> np.ndarray:
    return np.concatenate(list(decode.blocks(io.BytesIO(content), headerless={})), axis=1)


@pytest.mark.parametrize(("name", "subtype"), FAMILY)
def test_both_decoders_agree(name: str, subtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    content = written(name, subtype, sine(2.5, RATE, n_channels=2))
    is_ours = pcm.opened(Window(io.BytesIO(content))) is not None
    assert is_ours == (name != "FLAC")
    here = read(content)
    monkeypatch.setattr(pcm, "opened", lambda file: None)
    np.testing.assert_array_equal(read(content), here)
    assert here.shape == (2, 40_000)


RIFX = ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ALAW", "ULAW")


@pytest.mark.parametrize("decoder", ["libsndfile", "libav"])
@pytest.mark.parametrize("subtype", RIFX)
def test_big_endian_wav_is_read_as_the_little_endian_one(
    subtype: str, decoder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tone, file = sine(2.0, RATE, n_channels=2), io.BytesIO()
    soundfile.write(file, tone.T, RATE, format="WAV", subtype=subtype, endian="BIG")
    content = file.getvalue()
    assert content.startswith(b"RIFX")
    expected = read(written("WAV", subtype, tone))
    if decoder == "libav":
        monkeypatch.setattr(pcm, "opened", lambda file: None)
    np.testing.assert_array_equal(read(content), expected)
    np.testing.assert_array_equal(read(content + content), np.tile(expected, 2))
    with pytest.raises(DecodeError, match=r"truncated.*2\.00 s"):
        read(content[: len(content) // 2])
    data = content.index(b"data") + 4
    streamed = content[:data] + b"\xff" * 4 + content[data + 4 :]
    np.testing.assert_allclose(read(streamed)[:, :32_000], expected, atol=1e-7)


@pytest.mark.parametrize(
    ("code", "bits", "error"), [(2, 16, "no_decoder"), (1, 64, "no_decoder"), (1, 0, "no_decoder")]
)
def test_a_big_endian_wav_that_cannot_be_read_is_refused(code: int, bits: int, error: str) -> None:
    layout = struct.pack(">HHIIHH", code, 1, 8000, 8000 * bits // 8, bits // 8, bits)
    content = b"RIFX" + struct.pack(">I", 8036) + b"WAVEfmt \0\0\0\x10" + layout + b"data\0\0\x1f\x40"
    with pytest.raises(DecodeError, match=error):
        read(content + bytes(8000))
    with pytest.raises(DecodeError, match="not_audio"):
        read(content[:30])


def valid_bits(samples: np.ndarray, n_valid: int, n_stored: int, container: str = "RIFF") -> bytes:
    """WAVE_FORMAT_EXTENSIBLE with fewer valid bits than stored ones; W64 with the same format chunk."""
    n_bytes = n_stored // 8
    full_scale = 2 ** (n_valid - 1)
    values = np.rint(samples * (full_scale - 1)).astype("<i8") << (n_stored - n_valid)
    pcm_bytes = values.astype("<i8").view("u1").reshape(-1, 8)[:, :n_bytes].tobytes()
    guid = b"\1\0\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71"
    format_ = (
        struct.pack("<HHIIHHHHI", 0xFFFE, 1, RATE, RATE * n_bytes, n_bytes, n_stored, 22, n_valid, 4) + guid
    )
    if container == "W64":
        tail = b"\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a"
        chunks = b"fmt " + tail + struct.pack("<Q", 24 + len(format_)) + format_
        chunks += b"data" + tail + struct.pack("<Q", 24 + len(pcm_bytes)) + pcm_bytes
        riff = b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00"
        return riff + struct.pack("<Q", 40 + len(chunks)) + b"wave" + tail + chunks
    chunks = b"fmt " + struct.pack("<I", len(format_)) + format_
    chunks += b"data" + struct.pack("<I", len(pcm_bytes)) + pcm_bytes
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


@pytest.mark.parametrize(("n_valid", "n_stored"), [(24, 32), (16, 32), (20, 24), (20, 32), (12, 16)])
@pytest.mark.parametrize("container", ["RIFF", "W64"])
def test_fewer_valid_bits_than_stored(n_valid: int, n_stored: int, container: str) -> None:
    samples = sine(1.0, RATE)[0]
    content = valid_bits(samples, n_valid, n_stored, container)
    np.testing.assert_allclose(read(content)[0], samples, atol=2.0 ** (2 - n_valid))


def test_what_libav_mistakes_is_refused_where_it_must_read() -> None:
    content = bytearray(valid_bits(sine(1.0, RATE)[0], 24, 32))
    at = content.find(b"data")
    content[at + 4 : at + 8] = bytes(4)  # a recorder that never finished its header
    with pytest.raises(DecodeError, match="no_decoder"):
        read(bytes(content))


def test_a_count_that_leaves_out_audio_is_not_believed() -> None:
    samples = pcm16(sine(2.0, 8000))
    for content in (
        wav(samples, claimed_bytes=0),
        wav(samples, claimed_bytes=len(samples) // 2),
        encode("mp3", "mp3", sine(1.0, RATE), RATE),
        encode("wav", "adpcm_ima_wav", sine(1.0, RATE), RATE),
        encode("ogg", "libopus", sine(1.0, 48_000), 48_000),
        b"RIFF",
    ):
        assert pcm.opened(Window(io.BytesIO(content))) is None
    assert read(wav(samples, claimed_bytes=0)).shape == (1, 32_000)


def test_a_file_that_ends_early_for_libsndfile_is_corrupt() -> None:
    class Fading(Window):
        def read(self, n_bytes: int = -1) -> bytes:
            return super().read(n_bytes) if self.tell() < 8000 else b""

        def part(self, start: int, end: int) -> Window:
            return Fading(self._file, start, end)

    sound = pcm.opened(Fading(io.BytesIO(wav(pcm16(sine(4.0, 8000))))))
    assert sound is not None
    with pytest.raises(DecodeError, match=r"corrupt_audio: cannot be read beyond .* of 4\.00 s"):
        list(pcm.pieces(sound))


def test_compressed_audio_that_hides_in_pcm_is_no_noise() -> None:
    content = encode("spdif", "ac3", sine(2.0, 48_000, n_channels=2), 48_000)
    samples = read(wav(content, rate=48_000, n_channels=2))
    assert samples.shape[1] / RATE == pytest.approx(2.0, abs=0.1)
    assert np.abs(samples[0, 8000:24_000]).max() == pytest.approx(0.5, abs=0.05)
