"""Evaluations of answers made by hand: tables, figures, the regression set; and the gate on them."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from evaluation_fixtures import failed, needs_meeteval, transcript
from nightly_fixtures import clip, settings, write_registry
from tables_fixtures import LOCAL

from transcribe.config import Config
from transcribe.errors import ConfigError
from transcribe.evaluate.__main__ import by_library
from transcribe.evaluate.evaluation import Asked, Evaluation, add_regression, all_references, evaluate
from transcribe.evaluate.gate import gate
from transcribe.evaluate.prices import Prices
from transcribe.evaluate.reference import Reference, as_row, load
from transcribe.evaluate.results import Results
from transcribe.evaluate.significance import interval, paired
from transcribe.evaluate.systems import Answers, Measured, System
from transcribe.storage.files import put_bytes, stat
from transcribe.storage.s3 import S3Options

WORDS = [
    "the",
    *["quick", "brown", "fox", "jumps", "over", "a", "lazy", "dog", "and", "runs", "home", "again"],
]
N = 60


def row(id_: str, errors: int, language: str = "en", **columns: Any) -> dict[str, Any]:
    return {
        **{"run_id": "r", "system": "s", "recording_id": id_, "language": language, "loose": False},
        **{"n_words": 20, "substitutions": errors, "deletions": 0, "insertions": 0, "error": ""},
        **{"n_invented": 0, "reference": "as before", "normaliser": "spelled", **columns},
    }


def test_a_planted_regression_is_caught_and_noise_of_the_same_size_is_not() -> None:
    rng = np.random.default_rng(0)
    before = [row(str(i), int(e)) for i, e in enumerate(rng.integers(0, 5, N))]
    change = [1] * 30 + [0] * 30  # half of the recordings get one error more
    noise = [1 if i % 2 else -1 for i in range(N)]  # as much changes, in both directions

    def after(change: list[int]) -> list[dict[str, Any]]:
        return [row(r["recording_id"], r["substitutions"] + c) for r, c in zip(before, change, strict=True)]

    worse, as_noisy = gate(before, after(change)), gate(before, after(noise))
    assert not worse.passed and worse.reasons[0].startswith("over all: worse")
    assert as_noisy.passed and as_noisy.compared[0].verdict == "no difference shown"
    assert gate(after(change), before).compared[0].verdict == "better"


@pytest.mark.parametrize("column", ["reference", "normaliser"])
def test_only_what_was_measured_alike_is_compared(column: str) -> None:
    before = [row(str(i), 5) for i in range(N)]
    corrected = [row(str(i), 0, **{column: "another"}) for i in range(N)]
    found = gate(before, corrected)
    assert not found.passed and found.n_unlike == N and not found.compared[0].result.n_recordings
    half = gate(before, [*corrected[:30], *before[30:]])
    assert half.passed and half.compared[0].verdict == "no difference shown"
    assert "not compared: 30 recordings whose reference or normaliser has changed" in str(half)


def test_one_language_that_gets_worse_is_enough() -> None:
    rng = np.random.default_rng(1)
    before = [row(f"{lang}{i}", int(rng.integers(0, 9)), lang) for lang in ("en", "da") for i in range(40)]
    after = [
        row(r["recording_id"], r["substitutions"] + (1 if r["language"] == "da" else -1), r["language"])
        for r in before
    ]
    found = gate(before, after)
    assert [one.verdict for one in found.compared] == ["no difference shown", "worse", "better"]
    assert not found.passed


def test_new_failures_inventions_and_nothing_to_compare_are_refused() -> None:
    before = [row("a", 1), row("b", 1), row("hum", 0, n_words=None)]
    lost = gate(before, [row("a", 1), row("b", 0, error="not_audio", n_words=None)])
    assert lost.newly_failed == ["b"] and lost.compared[0].result.candidate_rate == pytest.approx(21 / 40)
    invented = gate(before, [row("a", 1), row("b", 1), row("hum", 0, n_words=None, n_invented=3)])
    assert invented.reasons == ["3 words where nobody speaks, 0 before"]
    assert "nothing was compared" in gate(before, [row("z", 0)]).reasons[0]


def test_intervals_hold_the_rate_and_shrink_with_more_recordings() -> None:
    rng = random.Random(5)
    errors = [rng.randint(0, 4) for _ in range(400)]
    few, many = interval(errors[:20], [20] * 20), interval(errors, [20] * 400)
    assert few and many and few[1] - few[0] > 2 * (many[1] - many[0])
    assert many[0] < sum(errors) / 8000 < many[1]
    assert interval([1], [20]) is None and interval([], []) is None
    assert paired([], [], []).verdict() == "no difference shown"


@pytest.fixture
def references(tmp_path: Path) -> Path:
    rows = [
        {
            "file": f"{i}.wav",
            "language": "en" if i % 2 else "da",
            "reference_text": " ".join(WORDS[: 5 + i % 8]),
        }
        for i in range(N)
    ]
    rows += [{"file": "hum.wav", "language": "en", "kind": "silence"}, {"file": "bad.wav", "language": "en"}]
    path = tmp_path / "references.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in rows))
    return path


def run(tmp_path: Path, references: Path, n_wrong: int, hum: str = "", **asked: Any) -> Evaluation:
    """Of a system that drops the first word of so many recordings."""
    known = load(references)

    def answer(manifest: str, config: Config, folder: str) -> tuple[Answers, Measured]:
        answers: Answers = {"bad.wav": failed("bad.wav"), "hum.wav": transcript("hum.wav", hum)}
        for number, one in enumerate(known[:N]):
            words = (one.text or "").split()[number < n_wrong :]
            answers[one.id] = transcript(one.id, " ".join(words), language=one.language)
        for line in Path(manifest).read_text().splitlines():
            id_ = json.loads(line)["recording_id"]
            answers.setdefault(id_, transcript(id_, "something else"))
        return answers, Measured(3600.0, 360.0, 720.0, 0.0, 1.0, "library")

    registry = write_registry(tmp_path)
    settings = [f"models={registry}", "language.model=fake"]
    systems = [System.parse("fake:decode.beam_size=1")]
    return evaluate(
        Asked(str(references), str(tmp_path / "out"), systems, overrides=settings, **asked), answer
    )


def test_an_evaluation_is_rows_figures_and_a_verdict(tmp_path: Path, references: Path) -> None:
    first = run(tmp_path, references, 0)
    assert first.exit_code == 0 and "RTFx 10.0" in str(first)
    worse = run(tmp_path, references, 40, hum="thanks for watching", baseline="latest")
    assert worse.exit_code == 1 and "over all: worse" in str(worse) and "3 words where nobody" in str(worse)
    rows, measured = Results(str(tmp_path / "out"), LOCAL).run("latest")
    assert len(rows) == N + 2 and {one["system"] for one in rows} == {"fake:decode.beam_size=1"}
    assert measured[0]["cost"] == pytest.approx(720 * Prices.load("conf/prices.yaml").core_h / 3600)
    figures = json.loads(Path(worse.uri).read_text())["systems"]["fake:decode.beam_size=1"]["groups"]
    over_all = figures["over all"]
    assert (over_all["deletions"], over_all["n_failed"], over_all["n_scored"]) == (40, 1, N)
    assert over_all["invented_words_an_hour"] == pytest.approx(3 * 360)
    assert figures["language da"]["deletions"] == 20 and "kind silence" not in figures
    frequent = json.loads(Path(worse.uri).read_text())["systems"]["fake:decode.beam_size=1"]["frequent"]
    assert frequent["deletion"] == [["the", 40]]
    again = run(tmp_path, references, 40, hum="thanks for watching", baseline=worse.run_id)
    assert again.exit_code == 0


@needs_meeteval
def test_the_regression_set_is_always_included(tmp_path: Path, references: Path) -> None:
    one = Reference(
        tmp_path / "call.wav",
        "en",
        "telephone",
        "hello",
        word_times=((0.0, 1.0, "hello"),),
        speaker_texts=("hello", ""),
    )
    assert load(add_regression(str(tmp_path / "out"), one, LOCAL)) == [
        Reference(**{**vars(one), "recording_id": "call.wav"})
    ]
    add_regression(str(tmp_path / "out"), Reference(**{**vars(one), "text": "hello there"}), LOCAL)
    figures = run(tmp_path, references, 0).summary["fake:decode.beam_size=1"]["groups"]
    assert figures["over all"]["n_scored"] == N + 1 and figures["over all"]["substitutions"] == 2
    assert as_row(one)["uri"] == str(tmp_path / "call.wav")


def test_what_is_not_there_is_named_before_any_work(tmp_path: Path, references: Path) -> None:
    with pytest.raises(ConfigError, match="there is no run yet"):
        run(tmp_path, references, 0, baseline="latest")
    run(tmp_path, references, 0)
    with pytest.raises(ConfigError, match="the baseline's run has: fake"):
        run(tmp_path, references, 0, baseline="latest", baseline_system="large")
    with pytest.raises(ConfigError, match="MODEL:key=value"):
        System.parse("base:beam")
    (tmp_path / "twice.jsonl").write_text('{"file": "a.wav", "language": "en", "text": "x"}\n' * 2)
    with pytest.raises(ConfigError, match=r"an id of its own: a\.wav"):
        all_references(str(tmp_path / "twice.jsonl"), str(tmp_path), LOCAL)


def test_prices_are_checked(tmp_path: Path) -> None:
    (tmp_path / "prices.yaml").write_text("currency: EUR\ncore_h: cheap\n")
    with pytest.raises(ConfigError, match=r"job\.prices"):
        Prices.load(tmp_path / "prices.yaml")


@pytest.mark.s3
def test_all_of_it_may_lie_on_s3(tmp_path: Path, s3_server: S3Options) -> None:
    base = "s3://rec/evaluated"
    put_bytes(f"{base}/greeting.ogg", clip("call_agent_1", tmp_path / "a.ogg").read_bytes(), s3_server)
    line = b'{"file": "greeting.ogg", "language": "en", "reference_text": "hello"}'
    put_bytes(f"{base}/references.jsonl", line, s3_server)
    (one,) = load(f"{base}/references.jsonl", s3_server)
    assert add_regression(base, replace(one, text="hello there"), s3_server) == f"{base}/regressions.jsonl"
    told = [f"{key}={value}" for key, value in settings(write_registry(tmp_path)).items()]
    told += [f"storage.s3_endpoint_url={s3_server.endpoint}", f"storage.s3_region={s3_server.region}"]
    asked = Asked(f"{base}/references.jsonl", base, [System.parse("fake")], overrides=told)
    found = evaluate(asked, by_library)
    figures = found.summary["fake"]["groups"]["over all"]
    assert (figures["n_scored"], figures["n_words"]) == (1, 2), "the regression set's text counts"
    assert stat(found.uri, s3_server).uri == f"{base}/runs/{found.run_id}/summary.json"
