"""Every container against its own count: cut, with a hole, without its beginning, joined."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from audio_fixtures import encode, pcm16, sine, wav
from container_fixtures import COUNTED, RATE, SAMPLES_ALONE, UNCOUNTED, on_late_clock

from transcribe.audio.decode import Block, blocks, probe
from transcribe.errors import DecodeError

NOISE = (0.1 * np.random.default_rng(0).standard_normal((1, 6 * RATE))).astype(np.float32)


def decode(content: bytes) -> Block:
    return np.concatenate(list(blocks(io.BytesIO(content), headerless={}, name="x")), axis=1)


def duration_s(content: bytes) -> float:
    return decode(content).shape[1] / 16_000


ENCRYPTED = (
    lambda _: encode(
        "mp4",
        "aac",
        NOISE,
        RATE,
        options={"encryption_scheme": "cenc-aes-ctr", "encryption_key": 32 * "5", "encryption_kid": 32 * "7"},
    ),
    lambda content: content.replace(b"mp4a", b"drms"),
    lambda content: content.replace(b"mp4a", b"aavd"),
)


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return {name: make(NOISE) for name, make in COUNTED.items()}


def without(content: bytes, start: float, end: float, filling: bytes = b"") -> bytes:
    return content[: round(start * len(content))] + filling + content[round(end * len(content)) :]


@pytest.mark.parametrize("name", COUNTED)
def test_a_file_that_lost_something_is_a_failure_with_its_figures(files, name):
    content = files[name]
    assert duration_s(content) == pytest.approx(6.0, abs=0.15)
    damages = {
        "cut": content[: round(0.55 * len(content))],
        "hole": without(content, 0.4, 0.6),
        "beginning": content[: min(4096, len(content) // 40)] + content[round(0.4 * len(content)) :],
    }
    if name not in SAMPLES_ALONE:
        damages["zeros"] = without(
            content, 0.4, 0.6, bytes(round(0.6 * len(content)) - round(0.4 * len(content)))
        )
    for kind, damaged in damages.items():
        with pytest.raises(DecodeError) as caught:
            duration_s(damaged)
        assert caught.value.error in ("truncated", "corrupt_audio"), kind
        assert any(character.isdigit() for character in caught.value.message) or name.startswith(("o", "ogg"))


@pytest.mark.parametrize("name", [*COUNTED, *UNCOUNTED])
def test_tags_before_the_container_are_skipped(files, name):
    content = files[name] if name in files else UNCOUNTED[name](NOISE)
    body = bytes(range(256)) * 40  # more than is read to tell the format
    size = bytes(len(body) >> shift & 127 for shift in (21, 14, 7, 0))
    tag, footer = b"ID3\4\0\0" + size + body, b"3DI\4\0\x10" + size
    with_footer = b"ID3\4\0\x10" + size + body + footer
    for tags in (tag, with_footer + tag):
        assert duration_s(tags + content) == pytest.approx(duration_s(content), abs=0.15)
    if name in ("wav", "m4a", "wv"):
        joined = tag + content + tag + content
        assert duration_s(joined) == pytest.approx(2 * duration_s(content), abs=0.1)
        with pytest.raises(DecodeError) as caught:
            duration_s(tag + content[: round(0.55 * len(content))])
        assert caught.value.error in ("truncated", "corrupt_audio")


@pytest.mark.parametrize("late_s", [5, 3600])
@pytest.mark.parametrize("name", ["opus"])
def test_an_ogg_whose_clock_runs_already_is_whole(files, name, late_s):
    content = on_late_clock(files[name], late_s * RATE)
    np.testing.assert_array_equal(decode(content), decode(files[name]))
    info = probe(io.BytesIO(content), headerless={}, name="x")
    assert info.duration_s == pytest.approx(6.0, abs=0.1)
    with pytest.raises(DecodeError, match="truncated"):
        duration_s(content[: round(0.55 * len(content))])


@pytest.mark.parametrize("make", ENCRYPTED, ids=["CENC", "Apple", "Audible"])
def test_encrypted_sound_is_refused_as_such(files, make):
    with pytest.raises(DecodeError) as caught:
        decode(make(files["m4a"]))
    assert caught.value.error == "encrypted"
    assert "decrypted copy" in caught.value.next_step


@pytest.mark.parametrize("name", COUNTED)
def test_joined_files_come_out_whole(files, name):
    content = files[name]
    assert duration_s(content + content) == pytest.approx(2 * duration_s(content), abs=0.1)
    assert duration_s(content + content + content) == pytest.approx(3 * duration_s(content), abs=0.15)


@pytest.mark.parametrize("name", ["wav", "aiff", "m4a", "caf"])
def test_the_last_of_joined_files_is_held_against_its_count_too(files, name):
    with pytest.raises(DecodeError, match=r"truncated|corrupt_audio|not_audio"):
        duration_s(files[name] + files[name][: len(files[name]) // 2])


OTHER = (0.1 * np.random.default_rng(1).standard_normal((2, 3 * 16_000))).astype(np.float32)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("opus", lambda: encode("ogg", "flac", OTHER, 16_000)),
        ("ogg flac", lambda: encode("ogg", "libopus", OTHER, 16_000)),
        ("opus", lambda: encode("ogg", "libopus", OTHER, 16_000)),
        ("wav", lambda: encode("wav", "pcm_s24le", OTHER, 16_000)),
        ("flac", lambda: encode("flac", "flac", OTHER, 16_000)),
        ("aiff", lambda: encode("aiff", "pcm_s16be", OTHER, 16_000)),
        ("m4a", lambda: encode("ipod", "aac", OTHER, 16_000)),
        ("m4a", lambda: encode("wav", "pcm_s16le", OTHER, 16_000)),
        ("webm", lambda: encode("webm", "libopus", OTHER, 16_000)),
    ],
)
def test_what_is_joined_may_have_another_rate_and_other_channels(files, first, second):
    joined = decode(files[first] + second())
    assert joined.shape == (1, pytest.approx(9 * 16_000, abs=2000))
    reverse = decode(second() + files[first])
    assert reverse.shape == (2, pytest.approx(9 * 16_000, abs=2000))
    assert np.sqrt(np.mean(reverse[:, -16_000:] ** 2)) > 0.03


def test_a_wav_whose_samples_look_like_a_header_is_one_recording():
    pcm = pcm16(sine(2.0, 8000))
    looking = pcm[:8000] + wav(pcm[:4000]) + pcm[8000 + 4044 :]
    assert duration_s(wav(looking)) == 2.0


def test_tags_after_the_samples_are_no_recording(files):
    tag = b"TAG" + bytes(125)
    for name in ("wav", "flac", "aiff", "wv"):
        assert duration_s(files[name] + tag) == pytest.approx(duration_s(files[name]), abs=0.01)


def test_an_ogg_that_ends_between_two_pages_is_a_live_recording(files):
    last_page = files["opus"].rfind(b"OggS")
    assert duration_s(files["opus"][:last_page]) == pytest.approx(5.5, abs=0.6)


def test_vbri_counts_as_xing_does(files):
    content = encode("mp3", "mp3", NOISE, RATE, options={"write_xing": "0", "id3v2_version": "0"})
    n_frames = 6 * RATE // 1152
    vbri = b"VBRI" + struct.pack(">HHHII", 1, 0, 75, len(content), n_frames)
    tagged = content[:36] + vbri + content[36 + len(vbri) :]
    assert duration_s(content[: len(content) // 2]) == pytest.approx(3.0, abs=0.1)
    with pytest.raises(DecodeError, match="truncated"):
        duration_s(tagged[: len(tagged) // 2])


@pytest.mark.parametrize("name", ["opus", "webm", "flac", "wma", "voc"])
def test_headers_alone_and_random_bytes_after_them_end_in_a_reason(files, name):
    random = np.random.default_rng(0)
    for n_bytes in (5, 40, 300, 2000):
        with pytest.raises(DecodeError):
            duration_s(files[name][:n_bytes] + random.bytes(3000))
