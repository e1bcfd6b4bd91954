"""Where a text goes wrong, told by variants made by hand; and a whole triage with the fake engine."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from browser_fixtures import faults
from evaluation_fixtures import failed, transcript
from nightly_fixtures import clip, settings, write_registry
from published_fixtures import publish, sound_row

from jobs import triage as job
from transcribe.config import Config, load
from transcribe.engines.cache import EngineCache
from transcribe.errors import ConfigError
from transcribe.evaluate.reference import load as load_references
from transcribe.evaluate.score import digit_errors
from transcribe.evaluate.triage import (
    Findings,
    Tried,
    Variant,
    Votes,
    audio_facts,
    conclusion,
    language_votes,
    runner_up,
    triage,
    variants,
)
from transcribe.evaluate.triage_page import as_text, triage_page
from transcribe.evaluate.word_error import ErrorCount
from transcribe.models.registry import Registry
from transcribe.types import Chunk, Piece, Recording, Segment


def tried(*errors: int) -> list[Tried]:
    """As many errors in 20 words, of the first variants in their order."""
    planned = variants(Config(), hinted=True, models=["large"])
    return [
        Tried(variant, transcript("a", "text"), None, ErrorCount(n, 0, 0, 20))
        for variant, n in zip(planned, errors, strict=False)
    ]


@pytest.mark.parametrize(
    ("errors", "stage"),
    [
        ((10, 2, 2, 2, 2, 2, 2), "vad"),
        ((10, 10, 1, 9, 9, 9, 9), "language"),
        ((10, 9, 10, 10, 5, 10, 2), "decoding"),
        ((10, 10, 10, 10, 10, 6, 2), "guards"),
        ((10, 10, 10, 10, 10, 10, 2), "model"),
        ((10, 9, 10, 10, 10, 10, 9), "model"),
        ((2, 1, 2, 2, 2, 2, 2), "model"),
        ((0, 0, 0, 0, 0, 0, 0), "none"),
    ],
)
def test_the_first_stage_that_a_change_mends_is_named(errors: tuple[int, ...], stage: str) -> None:
    assert conclusion(tried(*errors), [], has_truth=True)[0] == stage


@pytest.mark.parametrize(
    ("hint", "heard", "other"),
    [
        (None, {"ja": 0.45, "en": 0.4, "zh": 0.15}, "en"),
        (None, {"en": 0.97, "de": 0.03}, None),
        ("en", {"ja": 0.45, "en": 0.4, "zh": 0.15}, "zh"),
        ("zh-Hant", {"ja": 0.6, "zh": 0.4}, None),
        (None, {}, None),
    ],
)
def test_the_runner_up_of_the_vote_is_tried_where_it_is_likely(
    hint: str | None, heard: dict[str, float], other: str | None
) -> None:
    votes = [Votes(0, 0.0, 3.0, tuple(heard.items()))] if heard else []
    recording = Recording("a", "a.wav", "1", "", "2026-01-01", hint)
    assert runner_up(votes, recording, Config()) == other
    names = [one.name for one in variants(Config(), hint is not None, [], other)]
    assert (f"language {other}" in names) is (other is not None)


def test_without_a_true_text_what_it_hangs_on_is_named() -> None:
    assert conclusion(tried(0, 1, 0, 8, 0, 0, 0), [], has_truth=False) == (
        "decoding",
        "full context: 40% of the words are others",
    )
    assert conclusion(tried(0, 1, 1, 1), [], has_truth=False)[0] == "none"


@pytest.mark.parametrize(
    ("truth", "stage", "told"),
    [(None, "vad", "hangs on"), (None, "none", "hangs on"), ("text", "vad", "goes wrong at")],
)
def test_without_a_true_text_nothing_is_called_wrong(truth: str | None, stage: str, told: str) -> None:
    recording = Recording("a", "/a.wav", "1", "eu", "2026-01-01")
    found = Findings(recording, truth, {}, [], [], tried(0, 8), stage, "why")
    assert as_text(found).splitlines()[-1] == f"{told:20} {stage}: why"
    assert f"{told.capitalize()} <strong" in triage_page(found)


@pytest.mark.browser
def test_a_browser_shows_the_page(tmp_path: Path, browser) -> None:  # type: ignore[no-untyped-def]
    recording = Recording("a", "/a.wav", "1", "eu", "2026-01-01")
    votes = [Votes(0, 0.0, 9.0, (("en", 0.9), ("de", 0.1)))]
    found = Findings(recording, "said", {"codec": "wav"}, ["clipped"], votes, tried(0, 8, 0), "vad", "why")
    (tmp_path / "triage.html").write_text(triage_page(found))
    assert faults(browser, tmp_path / "triage.html") == []


def test_bad_audio_is_named_when_nothing_helps_and_a_failure_at_once() -> None:
    assert conclusion(tried(10, 10, 10), ["channel 0 is clipped"], has_truth=True)[0] == "audio"
    broken = [Tried(Variant("as configured", "", {}), None, failed("a"), ErrorCount())]
    assert conclusion(broken, [], has_truth=True) == ("decode", "not_audio: no audio")


def test_the_audios_facts(tmp_path: Path) -> None:
    samples = np.zeros((16_000, 2), np.float32)
    samples[:, 1] = np.sign(np.sin(np.arange(16_000) / 9))
    soundfile.write(tmp_path / "a.wav", samples, 16_000)
    facts, warnings = audio_facts(tmp_path / "a.wav", Config())
    assert (facts["channels"], facts["duration"]) == ("2", "1.0 s")
    assert [w.split(" (")[0] for w in warnings] == ["channel 0 is nearly silent", "channel 1 is clipped"]
    (tmp_path / "b.wav").write_bytes(b"")
    recording = Recording("b", str(tmp_path / "b.wav"), "1", "eu", "2026-01-01")
    found = triage(recording, tmp_path / "b.wav", Config())
    assert found.stage == "audio" and "empty_file" in found.why


def test_a_long_recording_is_never_in_memory_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    n, n_samples = 60, 250_000  # 60 MB as samples, 30 MB as PCM
    soundfile.write(tmp_path / "a.wav", np.zeros(16_000), 16_000)
    recording = Recording("a", str(tmp_path / "a.wav"), "1", "eu", "2026-01-01")
    config = load(overrides=settings(write_registry(tmp_path)))
    monkeypatch.setattr(
        "transcribe.evaluate.triage.blocks",
        lambda *_: (np.full((1, n_samples), i / n, np.float32) for i in range(n)),
    )

    def chunks(*_: object) -> Iterator[tuple[Chunk, np.ndarray]]:
        for i in range(n):
            segment, piece = Segment(0, 9.0 * i, 9.0 * i + 1 + i), Piece(9.0 * i, 0.0, 1.0 + i)
            yield Chunk("a", 0, i, (piece,), (segment,)), np.zeros(n_samples, np.int16)

    monkeypatch.setattr("transcribe.evaluate.triage.segment_recording", chunks)
    engines = EngineCache()
    tracemalloc.start()
    facts, _ = audio_facts(tmp_path / "a.wav", config)
    votes = language_votes(recording, tmp_path / "a.wav", config, Registry.of(config), engines)
    peak_mb = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    engines.close()
    assert facts["duration"] == f"{n * n_samples / 16_000:.1f} s" and facts["channel 0"].startswith("-5 dBFS")
    assert [round(vote.start_s / 9) for vote in votes] == [11, 23, 35, 47, 59]
    assert peak_mb < 20, peak_mb


def test_a_published_recording_is_tried_again_and_joins_the_regressions(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = clip("call_agent_1", tmp_path / "greeting.ogg")
    output = publish(tmp_path / "out", [sound_row(path, "greeting")])
    told = [f"--set={key}={value}" for key, value in settings(write_registry(tmp_path)).items()]
    page, held = tmp_path / "page.html", tmp_path / "evaluations"
    options = ["greeting", f"--output={output}", f"--page={page}", "--text=hello <b>there</b> two 51", *told]
    assert job.main([*options, f"--add-to={held}"]) == 0
    said = capsys.readouterr().out
    assert "goes wrong at        model: no change helps" in said and " of 3 digits" in said
    html = page.read_text()
    assert "language identified" in html and "en 90 %" in html and "&lt;b&gt;there" in html
    assert " of 3 digits" in html
    (reference,) = load_references(held / "regressions.jsonl")
    assert (reference.id, reference.text, reference.language) == (
        "greeting",
        "hello <b>there</b> two 51",
        "en",
    )
    assert reference.place == str(path)
    config = load(overrides=settings(write_registry(tmp_path)))
    with pytest.raises(ConfigError, match="needs what is said"):
        job.run("greeting", output=str(output), config=config, add_to=str(held))
    with pytest.raises(ConfigError, match="neither in transcripts nor in failures"):
        job.run("nobody", output=str(output), config=config)


def test_digits_are_counted_however_they_are_grouped() -> None:
    found = digit_errors("one zero two, five", "10-25", "en")
    assert found is not None and (found.errors, found.n_reference) == (0, 4)
    assert digit_errors("hello one", "hello one", "en") is None
