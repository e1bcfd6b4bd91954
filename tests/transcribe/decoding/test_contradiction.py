"""What sounds like another language than it was decoded in is marked, by whoever has listened."""

from __future__ import annotations

from dataclasses import replace

import pytest

from transcribe.config import LanguageConfig
from transcribe.decoding.contradiction import checked
from transcribe.types import (
    Ballot,
    Chunk,
    Decoded,
    HeardLanguage,
    Hypothesis,
    LanguageScores,
    LanguageSource,
    Piece,
    Segment,
    SpokenLanguage,
    Vote,
)
from transcribe.verdicts import Verdict

CONFIG = LanguageConfig()
HINTED = SpokenLanguage("en", 1.0, "hint")
GERMAN = LanguageScores((("de", 0.97), ("en", 0.01)))
ENGLISH = LanguageScores((("en", 0.97), ("de", 0.01)))
UNSURE = LanguageScores((("nl", 0.5), ("en", 0.3)))


def decoded(n: int, heard: LanguageScores | None, channel: int = 0, verdict: str = "ok") -> Decoded:
    start_s = 10.0 * n
    chunk = Chunk("r", channel, n, (Piece(start_s, 0.0, 8.0),), (Segment(channel, start_s, start_s + 8.0),))
    hypothesis = Hypothesis("permission", "en", (), -0.2, 0.0, heard=heard)
    return Decoded(chunk, hypothesis, Verdict.parse(verdict))


def verdicts(found: list[Decoded]) -> list[str]:
    return [str(one.verdict) for one in found]


def test_a_wrong_hint_is_doubted_throughout():
    found, spoken = checked([decoded(0, GERMAN), decoded(1, GERMAN)], [], HINTED, CONFIG)
    assert verdicts(found) == ["doubtful:language"] * 2
    assert spoken == replace(HINTED, heard=(HeardLanguage("de", 0.9898),), contradicted_s=16.0)


def test_the_half_in_another_language_is_doubted_whatever_order_it_comes_in():
    parts = [decoded(n, GERMAN if n > 1 else ENGLISH) for n in range(4)]
    found, spoken = checked(parts[::-1], [], HINTED, CONFIG)
    assert verdicts(found[::-1]) == ["ok", "ok", "doubtful:language", "doubtful:language"]
    assert spoken.contradicted_s == 16.0


def test_a_near_language_is_no_contradiction():
    found, spoken = checked([decoded(0, UNSURE)], [], HINTED, CONFIG)
    assert verdicts(found) == ["ok"] and spoken.contradicted_s == 0.0
    assert [one.language for one in spoken.heard] == ["nl", "en"]


@pytest.mark.parametrize(
    ("hint", "sound"),
    [
        *((rare, (rare, "de")) for rare in ("la", "yi", "nn", "sa", "haw")),
        *(
            (hint, (sister, "de"))
            for hint, sister in (("nn", "no"), ("no", "nn"), ("hr", "sr"), ("bs", "hr"))
        ),
        *((hint, (sister, "en")) for hint, sister in (("yue", "zh"), ("ms", "id"))),
    ],
)
def test_a_right_hint_of_a_rare_language_or_of_a_sister_in_writing_is_no_contradiction(hint, sound):
    heard = LanguageScores(tuple(zip(sound, (0.6, 0.35), strict=True)))
    told = replace(HINTED, language=hint)

    def judged(by_model: bool) -> tuple[list[Decoded], SpokenLanguage]:
        parts = [decoded(n, heard if by_model else None) for n in range(4)]
        parts = [replace(one, hypothesis=replace(one.hypothesis, language=hint)) for one in parts]
        return checked(parts, [Vote(0, n, (Ballot(heard, 8.0, 1),)) for n in range(4)], told, CONFIG)

    for by_model in (True, False):
        found, spoken = judged(by_model)
        assert verdicts(found) == ["ok"] * 4 and spoken.contradicted_s == 0.0
        assert spoken.heard[0].language == sound[0]


def test_a_rare_language_that_an_accent_sounds_like_does_not_contradict_a_common_hint():
    accent = LanguageScores((("la", 0.7), ("en", 0.25)))
    found, _ = checked([decoded(n, accent) for n in range(4)], [], HINTED, CONFIG)
    assert verdicts(found) == ["ok"] * 4


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("repaired:loop", "doubtful:language"),
        ("doubtful:low_logprob", "doubtful:language"),
        ("rejected:no_speech", "rejected:no_speech"),
    ],
)
def test_what_is_rejected_stays_rejected(before, after):
    found, _ = checked([decoded(0, GERMAN, verdict=before)], [], HINTED, CONFIG)
    assert verdicts(found) == [after]


def test_the_votes_speak_where_the_model_cannot_tell():
    """A one-language model hears nothing; chunks that did not vote go with those that did."""
    vote = Vote(0, 1, (Ballot(GERMAN, 8.0, 1),))
    found, spoken = checked([decoded(n, None) for n in range(3)], [vote], HINTED, CONFIG)
    assert verdicts(found)[1:] == ["doubtful:language"] * 2
    assert spoken.heard[0].language == "de"


def test_channels_are_judged_apart_and_nobody_listening_is_no_doubt():
    found, _ = checked([decoded(0, GERMAN), decoded(0, None, channel=1)], [], HINTED, CONFIG)
    assert verdicts(found) == ["doubtful:language", "ok"]
    assert checked([decoded(0, None)], [], HINTED, CONFIG) == ([decoded(0, None)], HINTED)
    assert checked([], [], HINTED, CONFIG) == ([], HINTED)


@pytest.mark.parametrize("source", ["vote", "prior"])
def test_what_stays_a_near_tie_in_a_short_recording_is_doubted(source):
    def verdict_of(speech_s: float, prob: float, source: LanguageSource) -> str:
        one = decoded(0, LanguageScores((("en", 0.45), ("ja", 0.4))))
        segment = Segment(0, 0.0, speech_s)
        chunk = replace(one.chunk, pieces=(Piece(0.0, 0.0, speech_s),), segments=(segment,))
        spoken = SpokenLanguage("en", prob, source)
        ((judged,), _) = checked([replace(one, chunk=chunk)], [], spoken, CONFIG)
        return str(judged.verdict)

    assert verdict_of(3.0, 0.45, source) == "doubtful:language"
    assert verdict_of(3.0, 0.6, source) == verdict_of(20.0, 0.45, source) == "ok"
    assert verdict_of(3.0, 1.0, "hint") == "ok"


def test_a_vote_counts_for_more_than_what_is_heard_while_decoding():
    vote = Vote(0, 0, (Ballot(ENGLISH, 8.0, 1),))
    found, spoken = checked([decoded(0, GERMAN)], [vote], replace(HINTED, source="vote"), CONFIG)
    assert verdicts(found) == ["ok"] and spoken.heard[0].language == "en"
