"""Dubs, commentaries and descriptions beside a programme: one version is heard, and nobody's speech goes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from audio_fixtures import Sound, mux
from av.stream import Disposition
from core_fixtures import clip, recording

from transcribe.audio.container import Track
from transcribe.config import Config
from transcribe.speech.segmenting import segment_recording
from transcribe.speech.versions import may_hold_versions, other_versions
from transcribe.types import Segment, Segmentation

OTHER = "track_other_language"


def speech(*intervals: tuple[float, float]) -> list[Segment]:
    return [Segment(0, start_s, end_s) for start_s, end_s in intervals]


FILM = speech((0, 20), (25, 60))
DUB = speech((1, 18), (26, 61))
QUESTIONS, ANSWERS = speech((0, 10), (20, 30)), speech((10, 20), (30, 40))
NOTHING = speech()


def tracks(*languages: str | None) -> list[Track]:
    return [Track(1, language) for language in languages]


@pytest.mark.parametrize(
    ("languages", "hint", "kept"),
    [
        (("spa", "eng"), None, 0),
        (("spa", "eng"), "en", 1),
        (("spa", "eng"), "es", 0),
        (("spa", "eng"), "fr", 0),
        (("chi", "eng"), "zh-Hant", 0),
        (("eng", "ger"), "de", 1),
        (("deu", "qaa"), None, 0),
        (("qaa", "deu"), "de", 1),
        (("deu", "qaa"), "es", 1),  # the original may be Spanish, the dub is not
        (("deu", None), "es", 1),
        (("deu", "mul"), "de", 0),
        (("deu", "mis"), "fi", 1),
    ],
)
def test_of_two_versions_the_requested_one_is_kept(languages, hint, kept):
    assert other_versions(tracks(*languages), [FILM, DUB], hint) == {1 - kept: OTHER}


def test_tracks_that_take_turns_are_people_whatever_their_tags():
    assert other_versions(tracks("spa", "eng"), [QUESTIONS, ANSWERS], "en") == {}
    assert other_versions(tracks("mul", "eng", "spa"), [QUESTIONS, ANSWERS, DUB], None) == {2: OTHER}


def test_tracks_of_one_language_or_without_tags_are_people():
    assert other_versions(tracks("eng", "eng"), [FILM, DUB], "en") == {}
    assert other_versions(tracks(None, None), [FILM, DUB], "en") == {}
    assert not may_hold_versions(tracks(None, None)) and may_hold_versions(tracks(None, "qaa"))


@pytest.mark.parametrize("purpose", ["commentary", "description", "music"])
def test_a_track_for_a_purpose_goes_only_where_another_one_is_spoken(purpose):
    flagged, main = Track(1, "eng", purpose), Track(1, "eng")
    reason = {0: f"track_{purpose}"}
    assert other_versions([flagged, main], [DUB, FILM], "en") == reason
    assert other_versions([flagged, main], [NOTHING, FILM], "en") == reason
    assert other_versions([flagged, main], [FILM, NOTHING], "en") == {}
    assert other_versions([flagged, main], [FILM, speech((0, 3))], "en") == {}  # music taken for speech
    assert other_versions([flagged, flagged], [FILM, DUB], "en") == {}


def test_the_requested_language_of_a_silent_track_leaves_the_other_one():
    assert other_versions(tracks("eng", "spa"), [NOTHING, FILM], "en") == {}


def channels_heard(path: Path, *sounds: Sound, language: str | None = None) -> tuple[int, ...]:
    path.write_bytes(mux("matroska", *sounds))
    *_, found = segment_recording(recording(language), path, Config())
    assert isinstance(found, Segmentation)
    return found.channels


def sound(name: str, **tags) -> Sound:
    return Sound(clip(name)[None, :].astype(np.float32), 16_000, "pcm_s16le", **tags)


def test_a_file_with_a_dub_is_heard_in_the_requested_language(tmp_path):
    spanish, italian = sound("es_appointment", language="spa"), sound("it_train", language="ita")
    assert channels_heard(tmp_path / "film.mkv", spanish, italian) == (0,)
    assert channels_heard(tmp_path / "film.mkv", spanish, italian, language="it") == (1,)


def test_names_of_tracks_leave_nobody_out(tmp_path):
    game = Sound(0.05 * np.ones((1, 16_000), np.float32), 16_000, "pcm_s16le", title="Game")
    voice = sound("es_appointment", title="Commentary + Music")
    assert channels_heard(tmp_path / "a.mkv", sound("it_train", title="Mic"), voice) == (0, 1)
    assert channels_heard(tmp_path / "a.mkv", game, voice) == (1,)
    flagged = sound("es_appointment", flags=Disposition.comment)
    assert channels_heard(tmp_path / "a.mkv", game, flagged) == (1,)
    assert channels_heard(tmp_path / "a.mkv", sound("it_train"), flagged) == (0,)
