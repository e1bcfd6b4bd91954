from __future__ import annotations

import io
import struct
import tracemalloc
from pathlib import Path
from typing import BinaryIO, cast

import av
import numpy as np
import pytest
import soundfile
from audio_fixtures import damaged, encode, pcm16, sine, video, wav

from transcribe.audio.decode import Block, blocks, probe
from transcribe.config import AudioConfig, HeaderlessConfig
from transcribe.errors import ConfigError, DecodeError, StorageError

HEADERLESS = {
    **AudioConfig().headerless,
    ".raw": HeaderlessConfig(format="s16le", sample_rate=16_000),
    ".raw2": HeaderlessConfig(format="s16le", sample_rate=8000, n_channels=2),
    ".g722": HeaderlessConfig(format="g722", sample_rate=16_000),
}


def decode(source: str | Path | bytes, name: str | None = None, block_s: float = 30.0) -> Block:
    file = io.BytesIO(source) if isinstance(source, bytes) else source
    return np.concatenate(list(blocks(file, headerless=HEADERLESS, name=name, block_s=block_s)), axis=1)


def refusal(source: str | Path | bytes, name: str = "call.wav") -> DecodeError:
    file = io.BytesIO(source) if isinstance(source, bytes) else source
    with pytest.raises(DecodeError) as caught:
        list(blocks(file, headerless=HEADERLESS, name=name))
    assert caught.value.next_step
    return caught.value


def frequency_hz(samples: Block) -> float:
    middle = samples[len(samples) // 4 : -len(samples) // 4]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
    return float(np.argmax(spectrum)) * 16_000 / len(middle)


CONTAINERS = [
    # container, codec, rate, channels, codec as probed
    ("wav", "pcm_u8", 16_000, 1, "pcm_u8"),
    ("wav", "pcm_s16le", 8000, 2, "pcm_s16le"),
    ("wav", "pcm_s24le", 48_000, 2, "pcm_s24le"),
    ("wav", "pcm_s32le", 44_100, 1, "pcm_s32le"),
    ("wav", "pcm_f32le", 22_050, 1, "pcm_f32le"),
    ("wav", "pcm_f64le", 16_000, 1, "pcm_f64le"),
    ("wav", "pcm_alaw", 8000, 1, "pcm_alaw"),
    ("wav", "pcm_mulaw", 8000, 2, "pcm_mulaw"),
    ("wav", "adpcm_ima_wav", 8000, 1, "adpcm_ima_wav"),
    ("wav", "mp3", 16_000, 1, "mp3"),
    ("w64", "pcm_s16le", 16_000, 1, "pcm_s16le"),
    ("aiff", "pcm_s16be", 44_100, 2, "pcm_s16be"),
    ("au", "pcm_mulaw", 8000, 1, "pcm_mulaw"),
    ("caf", "pcm_s16le", 16_000, 1, "pcm_s16le"),
    ("flac", "flac", 8000, 1, "flac"),
    ("flac", "flac", 44_100, 6, "flac"),
    ("ogg", "flac", 16_000, 1, "flac"),
    ("ogg", "libopus", 48_000, 2, "opus"),
    ("mp3", "libmp3lame", 44_100, 2, "mp3"),
    ("mp3", "libmp3lame", 8000, 1, "mp3"),
    ("adts", "aac", 44_100, 1, "aac"),
    ("ipod", "aac", 44_100, 2, "aac"),
    ("ipod", "alac", 44_100, 2, "alac"),
    ("mov", "pcm_s16le", 44_100, 1, "pcm_s16le"),
    ("webm", "libopus", 48_000, 1, "opus"),
    ("matroska", "aac", 44_100, 6, "aac"),
    ("matroska", "pcm_s16le", 16_000, 1, "pcm_s16le"),
    ("amr", "libopencore_amrnb", 8000, 1, "amr_nb"),
    ("3gp", "libopencore_amrnb", 8000, 1, "amr_nb"),
    ("mpegts", "aac", 44_100, 1, "aac"),
    ("avi", "mp3", 44_100, 1, "mp3"),
    ("flv", "aac", 44_100, 1, "aac"),
    ("ac3", "ac3", 48_000, 6, "ac3"),
    ("wv", "wavpack", 44_100, 1, "wavpack"),
]


@pytest.mark.parametrize(("container", "codec", "rate", "n_channels", "probed"), CONTAINERS)
def test_every_container_comes_out_whole_whatever_it_is_called(
    tmp_path: Path, container: str, codec: str, rate: int, n_channels: int, probed: str
) -> None:
    path = tmp_path / "misnamed.wav"
    path.write_bytes(encode(container, codec, sine(1.5, rate, n_channels=n_channels), rate))
    info = probe(path, headerless=HEADERLESS)
    assert (info.codec, info.sample_rate, info.n_channels) == (probed, rate, n_channels)
    assert info.duration_s is None or info.duration_s == pytest.approx(1.5, abs=0.15)

    samples = decode(path)
    assert samples.dtype == np.float32
    assert samples.shape[0] == n_channels
    assert 1.49 <= samples.shape[1] / 16_000 <= 1.6  # frame padding only ever adds
    if codec == "libopencore_amrnb":  # a speech codec: no sine survives
        assert np.sqrt(np.mean(samples**2)) > 0.05
        return
    for k in range(n_channels if n_channels < 6 else 2):  # channel 3 of 5.1 is low-pass filtered
        assert frequency_hz(samples[k]) == pytest.approx(440 * (k + 1), abs=4)
        assert np.sqrt(np.mean(samples[k, 4000:20_000] ** 2)) == pytest.approx(0.354, abs=0.02)


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT", "ULAW", "ALAW"])
@pytest.mark.parametrize("rate", [8000, 11_025, 16_000, 48_000])
def test_samples_are_those_of_libsndfile(tmp_path: Path, subtype: str, rate: int) -> None:
    path = tmp_path / "a.wav"
    noise = (0.1 * np.random.default_rng(0).standard_normal((rate, 2))).astype(np.float32)
    soundfile.write(path, noise, rate, subtype=subtype)
    reference = soundfile.read(path, dtype="float32", always_2d=True)[0].T
    samples = decode(path)
    assert samples.shape[1] == pytest.approx(16_000, abs=1)
    if rate == 16_000:
        np.testing.assert_allclose(samples, reference, atol=1e-7)
    else:  # every original sample at a common instant survives the change of rate where band-limited
        low = sine(1.0, rate, 300.0)
        soundfile.write(path, low.T, rate, subtype=subtype)
        got, want = decode(path)[0], sine(1.0, 16_000, 300.0)[0]
        np.testing.assert_allclose(got[800:-800], want[800 : len(got) - 800], atol=0.02)


@pytest.mark.parametrize(
    ("container", "codec", "rate"),
    [("wav", "pcm_s16le", 8000), ("ogg", "libopus", 48_000), ("mp3", "mp3", 44_100)],
)
def test_samples_do_not_depend_on_the_block_size(container: str, codec: str, rate: int) -> None:
    content = encode(container, codec, sine(2.3, rate), rate)
    whole = decode(content, "x")
    for block_s in (0.001, 0.37, 1.0, 2.0):
        sizes = [
            block.shape[1] for block in blocks(io.BytesIO(content), headerless={}, name="x", block_s=block_s)
        ]
        assert set(sizes[:-1]) <= {round(block_s * 16_000)} and 0 < sizes[-1] <= round(block_s * 16_000)
        np.testing.assert_array_equal(decode(content, "x", block_s), whole)


@pytest.mark.parametrize(
    ("name", "content", "n_channels"),
    [
        ("a.RAW", pcm16(sine(1.0, 16_000)), 1),
        ("a.raw2", pcm16(sine(1.0, 8000, n_channels=2)), 2),
        ("a.alaw", encode("alaw", "pcm_alaw", sine(1.0, 8000), 8000), 1),
        ("a.ulaw", encode("mulaw", "pcm_mulaw", sine(1.0, 8000), 8000), 1),
        ("a.g722", encode("g722", "g722", sine(1.0, 16_000), 16_000), 1),
    ],
)
def test_headerless_formats_are_told_by_extension(name: str, content: bytes, n_channels: int) -> None:
    info = probe(io.BytesIO(content), headerless=HEADERLESS, name=name)
    assert info.n_channels == n_channels and info.duration_s == pytest.approx(1.0, abs=0.01)
    samples = decode(content, name)
    assert samples.shape == (n_channels, 16_000)
    assert frequency_hz(samples[-1]) == pytest.approx(440 * n_channels, abs=4)


def test_headerless_extensions_yield_to_a_header_and_accept_what_looks_like_text() -> None:
    assert decode(wav(pcm16(sine(1.0, 8000))), "a.raw").shape == (1, 16_000)
    assert decode(b"U" * 8000, "a.alaw").shape == (1, 16_000)  # A-law silence
    assert decode(bytes(33 * 50) + b"half", "a.gsm").shape == (1, 16_000)  # a frame cut off at the end
    assert refusal(b"<html>" * 100, "a.raw").error == "not_audio"
    with pytest.raises(ConfigError, match=r"audio\.headerless"):
        probe(io.BytesIO(b"x"), headerless={".z": HeaderlessConfig(format="nix", sample_rate=1)}, name="a.z")


def test_a_file_object_is_probed_without_reading_all_of_it() -> None:
    class Counting(io.BytesIO):
        n_read = 0

        def read(self, size: int | None = -1) -> bytes:
            content = super().read(size)
            self.n_read += len(content)
            return content

    file = Counting(wav(pcm16(sine(600.0, 8000))))
    assert probe(cast(BinaryIO, file), headerless={}, name="x.wav").duration_s == 600.0
    assert file.n_read < 1_000_000


@pytest.mark.parametrize("claimed_bytes", [0, 0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000, 0xFFFFFFFF - 36])
def test_a_streamed_wav_header_means_read_to_the_end(claimed_bytes: int) -> None:
    assert decode(wav(pcm16(sine(1.0, 8000)), claimed_bytes=claimed_bytes), "x").shape == (1, 16_000)


def test_a_wav_header_that_claims_too_little_hides_nothing() -> None:
    pcm = pcm16(sine(2.0, 8000))
    content = wav(pcm, claimed_bytes=len(pcm) // 2)
    assert probe(io.BytesIO(content), headerless={}, name="x").n_channels == 1
    np.testing.assert_array_equal(decode(content, "x"), decode(wav(pcm), "x"))
    chunk = b"LIST" + struct.pack("<I", 20_000) + bytes(20_000)
    np.testing.assert_array_equal(decode(wav(pcm) + chunk, "x"), decode(wav(pcm), "x"))


def test_an_empty_recording_is_no_error() -> None:
    content = wav(b"")
    assert list(blocks(io.BytesIO(content), headerless={}, name="x")) == []
    assert probe(io.BytesIO(content), headerless={}, name="x").n_channels == 1


def test_values_that_are_no_number_become_silence_and_loud_ones_stay() -> None:
    values = np.full(16_000, 0.25, "<f4")
    values[100], values[200], values[300], values[400] = np.nan, np.inf, -np.inf, 1.25
    samples = decode(wav(values.tobytes(), rate=16_000, bits=32, code=3), "x")[0]
    assert samples[[100, 200, 300, 400, 500]].tolist() == [0, 0, 0, 1.25, 0.25]
    values[2000:10_000] = np.nan
    error = refusal(wav(values.tobytes(), rate=16_000, bits=32, code=3))
    assert error.error == "corrupt_audio" and "0.50 s" in error.message


def test_joined_files_of_different_kinds_come_out_whole() -> None:
    first = encode("mp3", "mp3", sine(1.0, 44_100), 44_100)
    second = encode("mp3", "mp3", sine(1.0, 22_050, n_channels=2), 22_050)
    assert decode(first + first, "x").shape[1] / 16_000 == pytest.approx(2.0, abs=0.1)
    samples = decode(first + second, "x")
    assert samples.shape[1] / 16_000 == pytest.approx(2.0, abs=0.1)
    opus = encode("ogg", "libopus", sine(1.0, 48_000), 48_000)
    assert decode(opus + opus, "x").shape[1] / 16_000 == pytest.approx(2.0, abs=0.05)


def test_tags_around_an_mp3_are_neither_audio_nor_damage() -> None:
    content = encode("mp3", "mp3", sine(2.0, 44_100), 44_100)
    cover = np.random.default_rng(0).integers(0, 256, 60_000, dtype=np.uint8).tobytes()
    picture = b"\0image/png\0\3\0" + cover
    frame = b"APIC" + struct.pack(">I", len(picture)) + b"\0\0" + picture
    size = bytes(len(frame) >> shift & 127 for shift in (21, 14, 7, 0))
    id3 = b"ID3\3\0\0" + size + frame
    item = struct.pack("<II", len(cover), 2) + b"Cover Art (Front)\0" + cover
    ape_size = struct.pack("<IIII", 2000, len(item) + 32, 1, 0xA0000000) + bytes(8)
    ape = b"APETAGEX" + ape_size + item + b"APETAGEX" + ape_size
    assert decode(id3 + content, "x").shape == decode(content, "x").shape
    tail = decode(content + ape, "x").shape[1] - decode(content, "x").shape[1]
    assert abs(tail) < 0.1 * 16_000
    joined_s = decode(id3 + content + id3 + content, "x").shape[1] / 16_000
    assert 4.0 <= joined_s < 4.6  # a picture may hold what looks like a few frames


@pytest.mark.parametrize(
    ("container", "codec"), [("webm", "libopus"), ("matroska", "pcm_s16le"), ("mp4", "aac")]
)
def test_a_pause_in_the_container_is_silence_on_the_clock(container: str, codec: str) -> None:
    samples = sine(4.0, 48_000)
    packets_a_second = {"libopus": 50, "pcm_s16le": 48_000 / 1024, "aac": 48_000 / 1024}[codec]
    dropped = range(round(packets_a_second), round(3 * packets_a_second))
    content = encode(container, codec, samples, 48_000, drop_packets=dropped)
    decoded = decode(content, "x")[0]
    assert len(decoded) / 16_000 == pytest.approx(4.0, abs=0.06)
    assert np.abs(decoded[20_000:44_000]).max() < 1e-6
    assert np.sqrt(np.mean(decoded[50_000:62_000] ** 2)) == pytest.approx(0.35, abs=0.03)


def cut(content: bytes, share: float = 0.6) -> bytes:
    return content[: round(len(content) * share)]


@pytest.mark.parametrize(
    ("container", "codec", "rate", "options"),
    [
        ("wav", "pcm_s16le", 16_000, {}),
        ("aiff", "pcm_s16be", 16_000, {}),
        ("au", "pcm_s16be", 16_000, {}),
        ("flac", "flac", 16_000, {}),
        ("mp3", "mp3", 44_100, {}),
        ("mp4", "aac", 44_100, {}),
        ("mp4", "aac", 44_100, {"movflags": "frag_keyframe"}),
        ("webm", "libopus", 48_000, {}),
        ("matroska", "pcm_s16le", 16_000, {}),
    ],
)
def test_a_file_that_promises_more_than_it_holds_is_truncated(
    container: str, codec: str, rate: int, options: dict[str, str]
) -> None:
    noise = (0.1 * np.random.default_rng(0).standard_normal((1, 4 * rate))).astype(np.float32)
    content = encode(container, codec, noise, rate, options=options)
    assert decode(content, "x").shape[1] / 16_000 == pytest.approx(4.0, abs=0.1)
    error = refusal(cut(content))
    assert error.error == "truncated"
    assert "4.0" in error.message or "index" in error.message


def test_truncation_names_both_durations() -> None:
    message = refusal(wav(pcm16(sine(1.0, 8000)), claimed_bytes=16_000 * 20)).message
    assert "20.00 s" in message and "1.00 s" in message


def test_an_mp3_that_only_estimates_its_duration_is_not_truncated() -> None:
    content = encode("mp3", "mp3", sine(4.0, 44_100), 44_100, options={"write_xing": "0"})
    assert decode(cut(content), "x").shape[1] / 16_000 == pytest.approx(2.4, abs=0.1)


@pytest.mark.parametrize("codec", ["mp3", "flac", "libopus", "aac"])
def test_a_hole_in_the_middle_is_corrupt_audio(codec: str) -> None:
    container, rate = {"mp3": ("mp3", 44_100), "flac": ("flac", 16_000), "libopus": ("ogg", 48_000)}.get(
        codec, ("mp4", 44_100)
    )
    noise = (0.1 * np.random.default_rng(0).standard_normal((1, 8 * rate))).astype(np.float32)
    content = encode(container, codec, noise, rate)

    def wipe(copy: bytearray) -> None:
        middle, size = len(copy) // 2, len(copy) // 5
        copy[middle : middle + size] = bytes(size)

    error = refusal(damaged(content, wipe))
    assert error.error == "corrupt_audio", error.message
    assert " s " in error.message


def test_pages_with_wrong_checksums_are_no_pauses() -> None:
    noise = (0.1 * np.random.default_rng(0).standard_normal((1, 8 * 48_000))).astype(np.float32)
    content = encode("ogg", "libopus", noise, 48_000)

    def flip_a_byte_in_three_pages(copy: bytearray) -> None:
        for share in (0.3, 0.5, 0.7):
            copy[round(share * len(copy))] ^= 0xFF

    assert refusal(damaged(content, flip_a_byte_in_three_pages)).error == "corrupt_audio"


def test_isolated_bad_packets_are_tolerated() -> None:
    noise = (0.1 * np.random.default_rng(0).standard_normal((1, 8 * 44_100))).astype(np.float32)
    content = encode("mp3", "mp3", noise, 44_100)

    def wipe_two_frames(copy: bytearray) -> None:
        copy[60_000:60_800] = bytes(800)

    decoded = decode(damaged(content, wipe_two_frames), "x")
    assert decoded.shape[1] / 16_000 == pytest.approx(8.0, abs=0.15)


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 1234\n"


@pytest.mark.parametrize(
    ("content", "code", "says"),
    [
        (b"", "empty_file", "0 bytes"),
        (LFS, "pointer_file", "Git LFS"),
        (b"../objects/not fetched.ogg", "pointer_file", "a link that was copied as text"),
        (b"https://host/calls/a.html", "not_audio", "plain text"),
        (b"see calls/a.wav\n", "not_audio", "plain text"),
        (b"/annex/objects/SHA256E-s31390--f50d.mp3\n", "pointer_file", "git-annex"),
        (b"../.git/annex/objects/Wx/0p/SHA256E-s31390--f50d.mp3", "pointer_file", "git-annex"),
        (b"plain words, no audio\n" * 50, "not_audio", "plain text"),
        (b"\n<!DOCTYPE html><html><body>403 Forbidden", "not_audio", "HTML"),
        (b'<?xml version="1.0"?><Error/>', "not_audio", "XML"),
        (b'{"error": "expired"}', "not_audio", "JSON"),
        (b"PK\x03\x04" + bytes(100), "not_audio", "ZIP"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "not_audio", "PNG"),
        (b"#EXTM3U\n#EXTINF:9,\nfile:/etc/passwd\n", "not_audio", "plain text"),
        (bytes(50_000), "not_audio", "zero bytes"),
        (pcm16(sine(1.0, 16_000)), "not_audio", "audio.headerless"),
        (wav(pcm16(sine(1.0, 8000)))[:22], "not_audio", "22 bytes"),
        (video(), "no_audio_track", "video"),
        (wav(bytes(8000), code=0x1234), "no_decoder", "codec"),
        (wav(bytes(8000), rate=1), "corrupt_audio", "1 Hz"),
        (wav(bytes(8000), rate=384_000), "unsupported_rate", "192000"),
        (wav(bytes(8000), n_channels=60_000, bits=8), "corrupt_audio", "audio"),
    ],
)
def test_bad_input_is_refused_with_its_true_reason(content: bytes, code: str, says: str) -> None:
    error = refusal(content)
    assert error.error == code
    assert says in error.message + error.next_step
    with pytest.raises(DecodeError) as caught:
        probe(io.BytesIO(content), headerless=HEADERLESS, name="call.wav")
    assert caught.value.error == code


def test_a_playlist_cannot_open_other_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("secret.wav").write_bytes(wav(pcm16(sine(1.0, 8000))))
    playlist = b"ffconcat version 1.0\nfile secret.wav\n# \xff\n"
    with av.open(io.BytesIO(playlist)) as container:  # libav alone would play it
        assert container.streams.audio
    assert refusal(playlist, "x.mp3").error == "not_audio"


def test_storage_errors(tmp_path: Path) -> None:
    with pytest.raises(StorageError) as caught:
        probe(tmp_path / "none.wav", headerless={})
    assert caught.value.error == "not_found"
    with pytest.raises(StorageError) as caught:
        list(blocks(tmp_path, headerless={}))  # a folder
    assert caught.value.error == "not_readable"

    class Failing(io.BytesIO):
        n_reads = 0

        def read(self, size: int | None = -1) -> bytes:
            self.n_reads += 1
            if self.n_reads > 8:
                raise OSError(5, "Input/output error")
            return super().read(size)

    with pytest.raises(StorageError) as caught:
        list(blocks(cast(BinaryIO, Failing(wav(pcm16(sine(60.0, 8000))))), headerless={}, name="x.wav"))
    assert caught.value.error == "not_readable" and "Input/output" in caught.value.message


def test_damage_of_any_kind_raises_nothing_but_decode_errors() -> None:
    random = np.random.default_rng(0)
    originals = [
        encode(container, codec, sine(0.3, rate), rate)
        for container, codec, rate in [
            ("wav", "pcm_s16le", 16_000),
            ("flac", "flac", 16_000),
            ("ogg", "libopus", 48_000),
            ("mp4", "aac", 44_100),
            ("matroska", "flac", 16_000),
            ("mp3", "mp3", 44_100),
        ]
    ]
    outcomes = set()
    for trial in range(300):
        copy = bytearray(originals[trial % len(originals)])
        for position in random.integers(0, min(len(copy), 300 if trial % 2 else len(copy)), 5):
            copy[position] = random.integers(256)
        try:
            list(blocks(io.BytesIO(copy[: random.integers(1, len(copy))]), headerless={}, name="x"))
            outcomes.add("decoded")
        except DecodeError as error:
            outcomes.add(error.error)
    assert outcomes >= {"decoded", "truncated", "not_audio"}


def test_memory_does_not_grow_with_the_recording(tmp_path: Path) -> None:
    def peak_bytes(minutes: int) -> int:
        path = tmp_path / f"{minutes}.wav"
        path.write_bytes(wav(bytes(8000 * 60 * minutes), bits=8, code=7))
        tracemalloc.start()
        n_samples = sum(block.shape[1] for block in blocks(path, headerless={}, block_s=10))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert n_samples == minutes * 60 * 16_000
        return peak

    assert peak_bytes(40) < 1.2 * peak_bytes(5)
