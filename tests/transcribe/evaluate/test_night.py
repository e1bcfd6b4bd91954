"""What a run's texts are like together, and when they have drifted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from published_fixtures import sound_row

from transcribe.evaluate.night import content, drift


def test_a_runs_rows_add_up_by_language_and_region_and_reason() -> None:
    rows = [sound_row(Path("a.wav")), {**sound_row(Path("b.wav")), "language": "da", "duration_s": 30.0}]
    found = content([*rows, rows[0]]).as_dict()
    assert [(g["language"], g["n_recordings"], g["audio_s"]) for g in found["groups"]] == [
        ("da", 1, 30.0),
        ("en", 2, 20.0),
    ]
    assert found["dropped_s"] == {"rejected:too_many_characters": 3.0}
    assert found["n_utterances"]["rejected:too_many_characters"] == 3, "an invented text shows"
    english = found["by_language"]["en"]
    assert english["share"] == pytest.approx(2 / 3) and english["covered_share"] == pytest.approx(0.75)
    assert english["confidence"] == pytest.approx(0.8187, abs=1e-4)
    assert content([]).as_dict()["by_language"] == {}


def night(confidence: float = 0.8, n_french: int = 50, n_english: int = 100) -> dict[str, dict[str, Any]]:
    total = n_french + n_english
    return {
        language: {"n_recordings": n, "share": n / total, "confidence": c, "covered_share": 0.97}
        for language, n, c in (("fr", n_french, confidence), ("en", n_english, 0.85))
        if n
    }


BEFORE = [night(0.80, 50), night(0.81, 48), night(0.79, 53), night(0.80, 51)]


@pytest.mark.parametrize(
    ("now", "alarms"),
    [
        (night(0.805, 49), []),
        (night(0.60), ["fr confidence"]),
        (night(n_french=0), ["en share of recordings", "fr share of recordings"]),
        (night(0.60, n_french=5), ["en share of recordings", "fr share of recordings"]),
        (night(0.80, n_french=56), []),
    ],
)
def test_drift_alarms_for_what_has_changed_and_for_nothing_else(now: dict, alarms: list[str]) -> None:
    found = drift(now, BEFORE)
    assert sorted(f"{one.language} {one.measure}" for one in found if one.alarm) == alarms
    assert [one.alarm for one in found] == sorted((one.alarm for one in found), reverse=True)


def test_too_few_runs_or_none_compare_nothing() -> None:
    assert drift(night(), BEFORE[:2]) == [] and drift({}, BEFORE) == []
