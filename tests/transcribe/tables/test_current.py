"""The costliest rule: which rows are current, which get labels only, which are made again, and why."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from transcribe.config import Config, load
from transcribe.models.registry import Registry
from transcribe.tables.current import (
    MIN_REDONE,
    TRANSCRIPT_COLUMNS,
    Asked,
    Decision,
    Rule,
    is_too_much,
    labels,
)
from transcribe.types import Recording

SETTINGS = load()
DONE = Decision("done")
MODEL = {
    "engine": "ctranslate2",
    "multilingual": True,
    "languages": None,
    "licence": "MIT",
    "stage": "production",
    "files": {},
    "sources": [],
}


def registry(*routes: dict[str, str], **changes: dict[str, Any]) -> Registry:
    """base for everything but Cantonese, tiny.en for English, danish for Danish; ``base__revision`` = …"""
    models = {
        "base": {**MODEL, "revision": "b1", "lacks": ["yue"]},
        "tiny.en": {**MODEL, "revision": "t1", "languages": ["en"], "multilingual": False},
        "danish": {**MODEL, "revision": "d1", "languages": ["da"], "multilingual": False},
    }
    for name, given in changes.items():
        models[name] |= given
    named = {name: {"name": name, **entry} for name, entry in models.items()}
    return Registry.model_validate({"default": "base", "routes": list(routes), "models": named})


def recording(**columns: Any) -> Recording:
    return Recording(
        **{
            "recording_id": "a",
            "uri": "/in/a",
            "source_version": "1",
            "region": "eu",
            "date": "2026-01-31",
            **columns,
        }
    )


def row(of: Recording, language: str, under: Registry, config: Config = SETTINGS) -> dict[str, Any]:
    """The transcript that a run under these models and settings publishes."""
    entry = under.entry_for(of, language, config.model)
    values = {
        "recording_id": of.recording_id,
        "source_version": of.source_version,
        "fingerprint": Rule(under, config).settings_hash(of),
        "language": language,
        "region": of.region,
        "service": of.service,
        "speakers": of.speakers,
        "date": of.date,
        "duration_s": 60.0,
        "model": entry.name,
        "model_revision": entry.revision,
        "engine": entry.engine,
        "language_source": "vote",
        "pinned": None,
    }
    assert values.keys() == set(TRANSCRIPT_COLUMNS)
    return values


def failed(of: Recording, error: str, under: Registry, retryable: bool = False) -> dict[str, Any]:
    return {
        "source_version": of.source_version,
        "fingerprint": Rule(under, SETTINGS).failure_hash(of, error),
        "error": error,
        "retryable": retryable,
    }


def decide(
    of: Recording,
    transcript: dict[str, Any] | None,
    under: Registry,
    config: Config = SETTINGS,
    failure: dict[str, Any] | None = None,
) -> Decision:
    return Rule(under, config).decide(of, transcript, failure)


def test_nothing_has_changed() -> None:
    for one in (recording(), recording(language="en", service="desk", channels="mix")):
        assert decide(one, row(one, "en", registry()), registry()) == DONE


def test_what_was_never_seen_is_new() -> None:
    assert decide(recording(), None, registry()) == Decision("transcribe", "new")


def test_another_source_or_setting_or_hint_is_said_in_this_order() -> None:
    before = row(recording(), "en", registry())
    moved = recording(source_version="2", language="fr")
    assert decide(moved, before, registry()).reason == "source"
    for hint in ({"language": "fr"}, {"language": "en"}, {"channels": "mix"}, {"language": "zh-Hant"}):
        assert decide(recording(**hint), before, registry()) == Decision("transcribe", "settings")
    assert decide(recording(), before, registry(), load([], ["vad.threshold=0.4"])).reason == "settings"
    assert decide(recording(), before, registry(), load([], ["decode.threads=4"])) == DONE


def test_a_route_concerns_the_rows_of_its_language_alone() -> None:
    """Ten recordings without hints, four of them English."""
    languages = ["en"] * 4 + ["de", "da", "fr", "es", "zh", "und"]
    rows = [row(recording(), language, registry()) for language in languages]
    english = registry({"language": "en", "model": "tiny.en"})
    decisions = [decide(recording(), one, english) for one in rows]
    assert decisions[:4] == [Decision("transcribe", "model", "base → tiny.en")] * 4
    assert decisions[4:] == [DONE] * 6


def test_a_new_danish_model_redoes_danish_rows_only() -> None:
    old = registry({"language": "da", "model": "danish"})
    new = registry({"language": "da", "model": "danish"}, danish={"revision": "d2"})
    danish, french = recording(language="da"), recording()
    assert decide(danish, row(danish, "da", old), new) == Decision("transcribe", "model", "danish d1 → d2")
    assert decide(french, row(french, "fr", old), new) == DONE


def test_another_engine_of_the_same_model_is_another_model() -> None:
    one = recording(language="en")
    decision = decide(one, row(one, "en", registry()), registry(base={"engine": "fake"}))
    assert decision == Decision("transcribe", "model", "base ctranslate2 → fake")


def test_a_models_own_settings_are_part_of_its_revision() -> None:
    one = recording(language="en")
    decision = decide(one, row(one, "en", registry()), registry(base={"decode": {"beam_size": 2}}))
    assert (decision.action, decision.reason) == ("transcribe", "model")
    assert decision.change.startswith("base b1 → b1+")


def test_the_identifying_model_counts_where_there_is_no_usable_hint() -> None:
    """Of a route for each language, so that no row names the identifying model as its own."""
    routes = [{"language": "en", "model": "tiny.en"}, {"language": "da", "model": "danish"}]
    old, new = registry(*routes), registry(*routes, base={"revision": "b2"})
    hinted, not_hinted = recording(language="en"), recording()
    unusable = recording(language="yue")
    assert decide(hinted, row(hinted, "en", old), new) == DONE
    assert decide(not_hinted, row(not_hinted, "en", old), new).reason == "settings"
    assert decide(unusable, row(unusable, "da", old), new).reason == "settings", "base does not speak yue"
    allowed = load([], {"language.allowed": ["en", "da"]})
    assert decide(hinted, row(hinted, "en", old), old, allowed) == DONE
    assert decide(not_hinted, row(not_hinted, "en", old), old, allowed).reason == "settings"


def test_a_release_redoes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    before = row(recording(), "en", registry())
    monkeypatch.setattr("transcribe.__version__", "99.0")
    assert decide(recording(), before, registry()) == DONE


def test_a_raised_content_version_redoes_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    before = row(recording(), "en", registry())
    monkeypatch.setattr("transcribe.content.CONTENT_VERSION", 1000)
    assert decide(recording(), before, registry()) == Decision("transcribe", "settings")


LABELS = [
    {"region": "us"},
    {"service": "desk"},
    {"speakers": "a,b"},
    {"date": "2026-02-01", "date_given": True},
]


@pytest.mark.parametrize("changed", LABELS)
def test_a_label_is_changed_without_transcribing(changed: dict[str, Any]) -> None:
    one = recording()
    moved = replace(one, **changed)
    assert decide(moved, row(one, "en", registry()), registry()) == Decision("relabel")
    relabelled = row(one, "en", registry()) | labels(moved)
    assert decide(moved, relabelled, registry()) == DONE
    assert decide(one, relabelled, registry()).action == ("done" if "date" in changed else "relabel")


def test_a_date_that_the_manifest_does_not_give_is_no_label() -> None:
    """``--date`` of tonight, or a copied file's own, must not move former nights."""
    assert decide(recording(date="2026-02-01"), row(recording(), "en", registry()), registry()) == DONE


def test_a_label_that_leads_to_another_model_is_no_mere_label() -> None:
    routed = registry({"region": "us", "language": "en", "model": "tiny.en"})
    one, moved = recording(), recording(region="us")
    assert decide(moved, row(one, "en", routed), routed) == Decision("transcribe", "model", "base → tiny.en")
    assert decide(moved, row(one, "de", routed), routed) == Decision("relabel")


def test_a_row_whose_language_no_model_speaks_any_more_stays() -> None:
    """Made again, it would be identified as before and fail."""
    old = registry({"language": "yue", "model": "danish"}, danish={"languages": ["yue"]})
    one = recording()
    before = row(one, "yue", old)
    assert decide(one, before, registry()) == DONE
    assert decide(replace(one, region="us"), before, registry()) == Decision("relabel")


def test_a_pinned_row_stays_under_any_settings_until_its_source_changes() -> None:
    one = recording()
    pinned = row(one, "en", registry()) | {"pinned": "asked for by the library", "model": "tiny.en"}
    assert decide(one, pinned | {"pinned": None}, registry()).reason == "model"
    assert decide(one, pinned, registry(), load([], ["vad.threshold=0.4"])) == DONE
    assert decide(replace(one, language="fr"), pinned, registry()) == DONE, "a hint, too, is a setting"
    assert decide(replace(one, region="us"), pinned, registry()) == Decision("relabel")
    assert decide(replace(one, source_version="2"), pinned, registry()) == Decision("transcribe", "source")


def test_what_is_asked_for_is_held_by_no_pin_and_no_failure() -> None:
    one, models = recording(), registry()
    asked, keeping = Asked(models, SETTINGS, None), Asked(models, SETTINGS, "better so")
    current_, pinned = row(one, "en", models), row(one, "en", models) | {"pinned": "better so"}
    assert asked.decide(one, current_, None) == DONE == keeping.decide(one, pinned, None)
    assert asked.decide(one, pinned, None) == Decision("relabel") == keeping.decide(one, current_, None)
    other = pinned | {"model": "tiny.en"}
    assert keeping.decide(one, other, None).reason == "model", "a pin is for the nights"
    assert asked.decide(one, other | {"fingerprint": "else"}, None).reason == "settings"
    failure = failed(one, "not_audio", models)
    assert asked.decide(one, None, failure) == Decision("transcribe", "retried")


def test_one_model_for_everything_redoes_what_others_have_spoken() -> None:
    one = recording(language="en")
    all_tiny = load([], ["model=tiny.en"])
    decision = decide(one, row(one, "en", registry()), registry(), all_tiny)
    assert decision == Decision("transcribe", "model", "base → tiny.en")
    assert decide(one, row(one, "en", registry(), all_tiny), registry(), all_tiny) == DONE


def test_a_failure_for_good_is_final_until_source_or_settings_change() -> None:
    one = recording()
    failure = failed(one, "not_audio", registry())
    assert decide(one, None, registry(), failure=failure) == Decision("give_up")
    retried = Decision("transcribe", "retried")
    assert decide(replace(one, source_version="2"), None, registry(), failure=failure) == retried
    assert decide(one, None, registry(), load([], ["audio.channels=mix"]), failure) == retried
    routed = registry({"language": "en", "model": "tiny.en"})
    assert decide(one, None, routed, failure=failure) == Decision("give_up"), (
        "no model reads what is no audio"
    )
    transient = failed(one, "unreachable", registry(), retryable=True)
    assert decide(one, None, registry(), failure=transient) == retried


def test_a_language_without_a_model_is_tried_again_once_it_has_one() -> None:
    one = recording()
    failure = failed(one, "unsupported_language", registry())
    assert decide(one, None, registry(), failure=failure) == Decision("give_up")
    newer = registry(danish={"revision": "d2"})
    assert decide(one, None, newer, failure=failure) == Decision("give_up"), "and spoke none before"
    cantonese = registry({"language": "yue", "model": "danish"}, danish={"languages": ["yue"]})
    assert decide(one, None, cantonese, failure=failure) == Decision("transcribe", "retried")
    elsewhere = registry(
        {"language": "yue", "region": "hk", "model": "danish"}, danish={"languages": ["yue"]}
    )
    assert decide(one, None, elsewhere, failure=failure) == Decision("give_up")
    there = replace(one, region="hk")
    assert decide(there, None, elsewhere, failure=failure) == Decision("transcribe", "retried")


def test_a_transcript_counts_before_a_failure_that_it_has_outlived() -> None:
    one = recording()
    failure = failed(one, "not_audio", registry())
    assert decide(one, row(one, "en", registry()), registry(), failure=failure) == DONE


def test_the_models_that_may_transcribe_it() -> None:
    routed = registry({"language": "en", "model": "tiny.en"})

    def models(config: Config = SETTINGS, **columns: Any) -> tuple[set[str], str | None]:
        rule = Rule(routed, config)
        one = recording(**columns)
        return set(rule.possible_models(one)), rule.identifier(one)

    assert models(language="en") == ({"tiny.en"}, "base")
    assert models(language="de") == ({"base"}, None)
    assert models() == ({"base", "tiny.en"}, "base"), "danish is in no route"
    assert models(language="yue") == ({"base", "tiny.en"}, "base"), "its model does not speak it"
    all_tiny = load([], ["model=tiny.en", "language.model=danish"])
    assert models(all_tiny) == ({"tiny.en"}, "danish")


def test_only_a_large_share_of_a_large_table_is_too_much() -> None:
    assert is_too_much(201, 1000, 0.2)
    assert not is_too_much(200, 1000, 0.2)
    assert not is_too_much(MIN_REDONE, MIN_REDONE, 0.2), "a small table may be done again"
    assert is_too_much(MIN_REDONE + 1, MIN_REDONE + 1, 0.2)
    assert not is_too_much(10**6, 10**6, 1.0)
    assert is_too_much(MIN_REDONE + 1, 10**6, 0.0)
