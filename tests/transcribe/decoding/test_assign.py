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
from transcribe.types import Failure, LanguageScores


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
    path = tmp_path_factory.mktemp("registry") / "models.yaml"
    path.write_text(yaml.safe_dump({"default": "many", "routes": routes, "models": models}))
    return Registry.load(path)


def settings(**overrides: object) -> Config:
    return load([], {"language.model": "many", **{k.replace("__", "."): v for k, v in overrides.items()}})


def scores(**probs: float) -> LanguageScores:
    return LanguageScores(tuple(sorted(probs.items(), key=lambda item: -item[1])))


TWO_SIDES = [Chunk(0, 0, 4.0), Chunk(1, 0, 9.0), Chunk(0, 1, 8.0), Chunk(0, 2, 6.0), Chunk(1, 1, 1.0)]


def test_the_chunks_of_each_channel_with_most_speech_vote(registry: Registry) -> None:
    chosen = voters(recording(), TWO_SIDES, registry, settings(language__n_chunks=2))
    assert [(c.channel, c.index) for c in chosen] == [(0, 1), (0, 2), (1, 0), (1, 1)]
    assert voters(recording(), [], registry, settings()) == []


def test_a_hint_that_its_model_can_use_needs_no_vote(registry: Registry) -> None:
    assert voters(recording("fr"), TWO_SIDES, registry, settings()) == []
    assert voters(recording("de"), TWO_SIDES, registry, settings(model="french")) != []
    found = assign(recording("fr"), TWO_SIDES, {}, registry, settings())
    assert isinstance(found, Assignment)
    assert (found.entry.name, found.language, found.language_prob) == ("french", "fr", 1.0)
    assert found.of_channel == {0: "fr", 1: "fr"}


def test_the_language_most_spoken_leads_to_the_model(registry: Registry) -> None:
    ballots = {(0, 1): scores(fr=0.9, en=0.1), (1, 0): scores(en=0.8, fr=0.2)}
    found = assign(recording(), TWO_SIDES, ballots, registry, settings())
    assert isinstance(found, Assignment)
    assert (found.entry.name, found.language) == ("french", "fr")
    assert found.language_prob == pytest.approx(0.9)
    assert found.of_channel == {0: "fr", 1: "en"}


def test_a_channel_that_is_not_sure_takes_the_recordings_language(registry: Registry) -> None:
    ballots = {(0, 1): scores(fr=0.9, en=0.1), (1, 0): scores(en=0.4, fr=0.35, de=0.25)}
    found = assign(recording(), TWO_SIDES, ballots, registry, settings())
    assert isinstance(found, Assignment) and found.of_channel == {0: "fr", 1: "fr"}


def test_a_language_that_its_model_lacks_is_a_failure(registry: Registry) -> None:
    ballots = {(0, 1): scores(en=1.0)}
    failed = assign(recording(), TWO_SIDES[:1] + TWO_SIDES[2:3], ballots, registry, settings(model="french"))
    assert isinstance(failed, Failure)
    assert (failed.stage, failed.error, failed.recording_id) == ("plan", "unsupported_language", "r")


@pytest.mark.parametrize(("hint", "language"), [(None, "und"), ("fr", "fr")])
def test_without_speech_there_is_still_a_model(registry: Registry, hint: str | None, language: str) -> None:
    found = assign(recording(hint), [], {}, registry, settings())
    assert isinstance(found, Assignment)
    assert (found.language, dict(found.of_channel)) == (language, {})


def test_region_and_service_of_the_recording_lead_the_way(registry: Registry) -> None:
    from_south = replace(recording("en"), region="south")
    found = assign(from_south, TWO_SIDES, {}, registry, settings())
    assert isinstance(found, Assignment) and found.entry.name == "many"


@given(st.permutations(TWO_SIDES))
def test_the_order_in_which_chunks_come_changes_nothing(registry: Registry, chunks: list[Chunk]) -> None:
    ballots = {(c.channel, c.index): scores(fr=0.1 * c.speech_s, en=1 - 0.1 * c.speech_s) for c in TWO_SIDES}
    config = settings()
    assert assign(recording(), chunks, ballots, registry, config) == assign(
        recording(), TWO_SIDES, ballots, registry, config
    )
    assert set(voters(recording(), chunks, registry, config)) == set(TWO_SIDES)
