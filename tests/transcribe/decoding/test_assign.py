"""Who votes on a recording's language, and which language and model it gets, on plain data."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
import yaml
from core_fixtures import recording
from hypothesis import given
from hypothesis import strategies as st

from transcribe.config import Config, load
from transcribe.decoding.assign import Assignment, assign, voters
from transcribe.models.registry import Registry
from transcribe.types import Ballot, Failure, LanguageScores, Stretch, Vote


@dataclass(frozen=True)
class Chunk:
    """All that is known of a chunk on a driver."""

    channel: int
    index: int
    speech_s: float


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """``french`` gets all French, ``danish`` what comes from the south; ``many`` the rest."""
    entry = {"engine": "fake", "revision": "1", "licence": "none", "stage": "production"}
    entry |= {"files": {}, "sources": []}
    some = {**entry, "multilingual": False}
    models = {
        "many": {**entry, "multilingual": True, "languages": None},
        "french": {**some, "languages": ["fr"]},
        "danish": {**some, "languages": ["da"]},
    }
    routes = [{"language": "fr", "model": "french"}, {"region": "south", "model": "many"}]
    routes.append({"language": "fr", "region": "south", "model": "many"})
    path = tmp_path_factory.mktemp("registry") / "models.yaml"
    path.write_text(yaml.safe_dump({"default": "many", "routes": routes, "models": models}))
    return Registry.load(path)


def settings(**overrides: object) -> Config:
    return load([], {"language.model": "many", **{k.replace("__", "."): v for k, v in overrides.items()}})


def scores(**probs: float) -> LanguageScores:
    return LanguageScores(tuple(sorted(probs.items(), key=lambda item: -item[1])))


def votes(speech: list[Chunk], heard: dict[tuple[int, int], LanguageScores]) -> dict[tuple[int, int], Vote]:
    """One ballot a chunk."""
    found = {(c.channel, c.index): c.speech_s for c in speech}
    return {place: Vote(*place, (Ballot(one, found[place], 1),)) for place, one in heard.items()}


def languages(found: Assignment) -> dict[int, str]:
    """Of each channel, which has one."""
    spoken = {place[0]: {one.language for one in some} for place, some in found.stretches.items()}
    assert all(len(some) == 1 for some in spoken.values())
    return {channel: min(some) for channel, some in spoken.items()}


TWO_SIDES = [Chunk(0, 0, 4.0), Chunk(1, 0, 9.0), Chunk(0, 1, 8.0), Chunk(0, 2, 6.0), Chunk(1, 1, 1.0)]


def test_chunks_spread_over_each_channel_vote(registry: Registry) -> None:
    chosen = voters(recording(), TWO_SIDES, registry, settings(language__n_chunks=2))
    assert [(c.channel, c.index) for c in chosen] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert voters(recording(), [], registry, settings()) == []


def test_a_hint_that_its_model_can_use_needs_no_vote(registry: Registry) -> None:
    assert voters(recording("en"), TWO_SIDES, registry, settings()) == []
    assert voters(recording("de"), TWO_SIDES, registry, settings(model="french")) != []
    found = assign(recording("fr"), TWO_SIDES, {}, registry, settings())
    assert isinstance(found, Assignment)
    assert (found.entry.name, found.spoken.language, found.spoken.prob) == ("french", "fr", 1.0)
    assert languages(found) == {0: "fr", 1: "fr"}


def test_the_language_most_spoken_leads_to_the_model(registry: Registry) -> None:
    ballots = {(0, 1): scores(fr=0.9, en=0.1), (1, 0): scores(en=0.8, fr=0.2)}
    found = assign(recording(), TWO_SIDES, votes(TWO_SIDES, ballots), registry, settings())
    assert isinstance(found, Assignment)
    assert (found.entry.name, found.spoken.language) == ("french", "fr")
    assert found.spoken.prob == pytest.approx(0.9)
    assert languages(found) == {0: "fr", 1: "fr"}, "the French model speaks no English"


def test_a_channel_that_is_not_sure_takes_the_recordings_language(registry: Registry) -> None:
    ballots = {(0, 1): scores(fr=0.9, en=0.1), (1, 0): scores(en=0.4, fr=0.35, de=0.25)}
    found = assign(recording(), TWO_SIDES, votes(TWO_SIDES, ballots), registry, settings())
    assert isinstance(found, Assignment) and languages(found) == {0: "fr", 1: "fr"}


def test_each_channel_is_as_sure_as_the_hint_or_its_own_vote(registry: Registry) -> None:
    cast = votes(TWO_SIDES, {(0, 1): scores(en=0.9, de=0.1), (1, 0): scores(es=0.6, en=0.4)})
    found = assign(recording(), TWO_SIDES, cast, registry, settings())
    assert isinstance(found, Assignment)
    told = [(one.channel, one.language, round(one.prob, 3)) for one in found.spoken.of_channel]
    assert told == [(0, "en", 0.9), (1, "es", 0.6)]
    unsure = assign(recording(), TWO_SIDES, cast, registry, settings(language__min_prob=0.7))
    assert isinstance(unsure, Assignment)
    assert [one.language for one in unsure.spoken.of_channel] == ["en", "en"]
    assert unsure.spoken.of_channel[1].prob == pytest.approx(0.4), "of what it is decoded in"
    hinted = assign(recording("es"), TWO_SIDES, {}, registry, settings())
    assert isinstance(hinted, Assignment)
    assert [(one.language, one.prob) for one in hinted.spoken.of_channel] == [("es", 1.0), ("es", 1.0)]
    assert assign(recording(), [], {}, registry, settings()).spoken.of_channel == ()


def test_a_language_that_its_model_lacks_is_a_failure(registry: Registry) -> None:
    ballots = {(0, 1): scores(en=1.0)}
    failed = assign(
        recording(),
        TWO_SIDES[:1] + TWO_SIDES[2:3],
        votes(TWO_SIDES[:1] + TWO_SIDES[2:3], ballots),
        registry,
        settings(model="french"),
    )
    assert isinstance(failed, Failure)
    assert (failed.stage, failed.error, failed.recording_id) == ("plan", "unsupported_language", "r")


@pytest.mark.parametrize(("hint", "language"), [(None, "und"), ("fr", "fr")])
def test_without_speech_there_is_still_a_model(registry: Registry, hint: str | None, language: str) -> None:
    found = assign(recording(hint), [], {}, registry, settings())
    assert isinstance(found, Assignment)
    assert (found.spoken.language, dict(found.stretches)) == (language, {})


def test_region_and_service_of_the_recording_lead_the_way(registry: Registry) -> None:
    from_south = replace(recording("en"), region="south")
    found = assign(from_south, TWO_SIDES, {}, registry, settings())
    assert isinstance(found, Assignment) and found.entry.name == "many"


@given(st.permutations(TWO_SIDES))
def test_the_order_in_which_chunks_come_changes_nothing(registry: Registry, chunks: list[Chunk]) -> None:
    ballots = {(c.channel, c.index): scores(fr=0.1 * c.speech_s, en=1 - 0.1 * c.speech_s) for c in TWO_SIDES}
    config = settings()
    assert assign(recording(), chunks, votes(chunks, ballots), registry, config) == assign(
        recording(), TWO_SIDES, votes(TWO_SIDES, ballots), registry, config
    )
    assert set(voters(recording(), chunks, registry, config)) == set(TWO_SIDES)


def test_a_hint_is_checked_where_its_model_cannot_tell(registry: Registry) -> None:
    """It still decides; what was heard goes with it, to be compared when all is decoded."""
    assert len(voters(recording("fr"), TWO_SIDES, registry, settings())) == len(TWO_SIDES)
    assert voters(recording("fr"), TWO_SIDES, registry, settings(language__check_hints=False)) == []
    heard = votes(TWO_SIDES, {(0, 1): scores(de=1.0)})
    found = assign(recording("fr"), TWO_SIDES, heard, registry, settings())
    assert isinstance(found, Assignment) and languages(found) == {0: "fr", 1: "fr"}
    assert found.votes == tuple(heard.values())
    told_by_its_model = assign(recording("de"), TWO_SIDES, heard, registry, settings())
    assert isinstance(told_by_its_model, Assignment) and told_by_its_model.votes == ()


UNSURE = {(0, 1): scores(da=0.4, sv=0.35, no=0.25)}


def test_an_unsure_recording_fails_with_the_reason_or_goes_to_the_fallback(registry: Registry) -> None:
    speech = TWO_SIDES[:1] + TWO_SIDES[2:3]
    strict = {"language__min_recording_prob": 0.5}
    failed = assign(recording(), speech, votes(speech, UNSURE), registry, settings(**strict))
    assert (
        isinstance(failed, Failure) and failed.error == "unsure_language" and "da at 0.40" in failed.message
    )
    config = settings(**strict, language__fallback_model="many")
    found = assign(recording(), speech, votes(speech, UNSURE), registry, config)
    assert isinstance(found, Assignment)
    assert (found.entry.name, found.spoken.language, found.spoken.source) == ("many", "da", "fallback")
    believed = assign(recording(), speech, votes(speech, UNSURE), registry, settings())
    assert isinstance(believed, Assignment) and believed.spoken.source == "vote"


def test_a_language_that_its_model_lacks_goes_to_the_fallback(registry: Registry) -> None:
    config = settings(model="french", language__fallback_model="many")
    found = assign(recording(), TWO_SIDES, votes(TWO_SIDES, {(0, 1): scores(en=1.0)}), registry, config)
    assert isinstance(found, Assignment)
    assert (found.entry.name, found.spoken.source) == ("many", "fallback")


def test_a_prior_that_turned_the_vote_is_said_to_have_decided(registry: Registry) -> None:
    speech = TWO_SIDES[:1] + TWO_SIDES[2:3]
    for prior, language, source in (
        ({"sv": 2}, "sv", "prior"),
        ({"da": 2}, "da", "vote"),
        ({}, "da", "vote"),
    ):
        config = settings(language__prior=prior)
        found = assign(recording(), speech, votes(speech, UNSURE), registry, config)
        assert isinstance(found, Assignment)
        assert (found.spoken.language, found.spoken.source) == (language, source)


def test_speech_in_no_allowed_language_is_a_failure(registry: Registry) -> None:
    heard = votes(TWO_SIDES, {(0, 1): scores(en=1.0)})
    failed = assign(recording(), TWO_SIDES, heard, registry, settings(language__allowed=["fr"]))
    assert isinstance(failed, Failure) and failed.error == "unsure_language"


ENGLISH, FRENCH = scores(en=0.98, fr=0.01), scores(fr=0.98, en=0.01)


def changing(*heard: LanguageScores) -> dict[tuple[int, int], Vote]:
    """Chunks of one channel, two stretches of 5 s in each."""
    pairs = zip(heard[::2], heard[1::2], strict=True)
    return {(0, n): Vote(0, n, tuple(Ballot(one, 5.0, 3) for one in pair)) for n, pair in enumerate(pairs)}


@pytest.mark.parametrize("hint", [None, "en"])
def test_a_recording_that_changes_its_language_is_decoded_in_both(
    registry: Registry, hint: str | None
) -> None:
    config = settings(language__mode="segment", model="many")
    cast = changing(ENGLISH, ENGLISH, ENGLISH, FRENCH, FRENCH, FRENCH, FRENCH, FRENCH)
    speech = [Chunk(0, n, 10.0) for n in range(4)]
    assert voters(recording(hint), speech, registry, config) == speech
    found = assign(recording(hint), speech, cast, registry, config)
    assert isinstance(found, Assignment)
    assert found.stretches == {
        (0, 0): (Stretch("en", 6),),
        (0, 1): (Stretch("en", 3), Stretch("fr", 3)),
        (0, 2): (Stretch("fr", 6),),
        (0, 3): (Stretch("fr", 6),),
    }
    assert (found.spoken.language, found.spoken.source) == ("fr", "vote")
    (channel,) = found.spoken.of_channel
    assert channel.language == "fr" and 0.3 < channel.prob < 1, "most of it, whatever the hint says"


@pytest.mark.parametrize(
    ("hint", "sound"), [("la", {"la": 0.6, "it": 0.35}), ("hr", {"sr": 0.9, "hr": 0.06})]
)
def test_a_right_hint_of_a_rare_language_or_of_a_sister_in_writing_holds_by_stretches_too(
    registry: Registry, hint: str, sound: dict[str, float]
) -> None:
    config = settings(language__mode="segment", model="many")
    speech = [Chunk(0, n, 10.0) for n in range(2)]
    found = assign(recording(hint), speech, changing(*[scores(**sound)] * 4), registry, config)
    assert isinstance(found, Assignment)
    assert languages(found) == {0: hint} and found.spoken.source == "hint"


def test_what_a_model_does_not_speak_is_left_to_the_fallback_or_decoded_as_the_rest(
    registry: Registry,
) -> None:
    cast = changing(FRENCH, FRENCH, FRENCH, FRENCH, ENGLISH, ENGLISH)
    speech = [Chunk(0, n, 10.0) for n in range(3)]
    found = assign(recording(), speech, cast, registry, settings(language__mode="segment"))
    assert isinstance(found, Assignment) and found.entry.name == "french" and languages(found) == {0: "fr"}
    config = settings(language__mode="segment", language__fallback_model="many")
    found = assign(recording(), speech, cast, registry, config)
    assert isinstance(found, Assignment) and found.entry.name == "many"
    assert found.stretches[0, 2] == (Stretch("en", 6),) and found.spoken.source == "fallback"
