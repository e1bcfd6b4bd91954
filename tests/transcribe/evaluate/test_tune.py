"""Tuning with made-up costs and errors: halving, going on, the front and what is recommended."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from browser_fixtures import faults
from evaluation_fixtures import transcript

from jobs import tune as job
from transcribe.config import Config, load
from transcribe.errors import ConfigError
from transcribe.evaluate.systems import Answers, Measured
from transcribe.evaluate.tune import Trial, candidates, front, name_of, recommended, rungs, survivors
from transcribe.types import Failure

N = 72
SPACE = {"decode.beam_size": (1, 2, 5, 10), "vad.threshold": (0.3, 0.5, 0.9)}


def trial(name: str, wer: float, cost: float) -> Trial:
    settings: dict[str, Any] = {"model": name} if name else {}
    return Trial(settings, 9, {str(i): (round(wer * 100), 100) for i in range(20)}, cost * 100, 0.0, 100.0)


BASE = trial("", 0.20, 0.10)
TRIALS = [
    BASE,
    trial("fast", 0.20, 0.05),
    trial("bad", 0.30, 0.01),
    trial("good", 0.10, 0.14),
    trial("dear", 0.05, 0.5),
]


def test_the_front_and_what_is_recommended() -> None:
    assert [name_of(t.settings) for t in front(TRIALS)] == [
        f"model={n}" for n in ("bad", "fast", "good", "dear")
    ]
    goals = recommended(TRIALS, cost_factor=1.5)
    assert [t.settings["model"] for t in goals.values()] == ["fast", "good"]
    assert recommended([BASE], 1.5) == dict.fromkeys(goals, BASE) and recommended(TRIALS[1:], 1.5) == {}
    assert survivors(TRIALS, 2) == [{}, {"model": "bad"}, {"model": "fast"}]


def test_candidates_begin_with_the_settings_as_they_are_and_are_valid() -> None:
    found = candidates({"chunk.max_s": (12.0, 22.0, 29.0), "decode.beam_size": (1, 5)}, Config(), 20, seed=1)
    assert found[:3] == [{}, {"chunk.max_s": 29.0}, {"decode.beam_size": 1}], "12 s holds no segment of 15 s"
    assert len(found) == 4 and len(candidates(SPACE, Config(), 3, seed=1)) == 3
    with pytest.raises(ConfigError, match="is no setting"):
        candidates({"decode.beam": (1,)}, Config(), 3, seed=1)
    assert rungs(72, 12) == [8, 24, 72] and rungs(10, 12) == [10] and rungs(720, 27) == [80, 240, 720]


@pytest.fixture
def references(tmp_path: Path) -> Path:
    rows = [
        {"file": f"{i}.wav", "language": "en" if i % 3 else "da", "reference_text": "a b c d e f g h"}
        for i in range(N)
    ]
    path = tmp_path / "references.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int, float]]:
    """What is run: (references, beam, threshold). A beam below 5 and a threshold above 0.5 lose words."""
    done: list[tuple[int, int, float]] = []

    def run(manifest: str, config: Config, folder: str) -> tuple[Answers, Measured]:
        ids = [json.loads(line)["recording_id"] for line in Path(manifest).read_text().splitlines()]
        beam, threshold = config.decode.beam_size, config.vad.threshold
        if len(ids) > 1:  # else to warm up
            done.append((len(ids), beam, threshold))
        n_lost = (beam < 5) + 2 * (threshold > 0.5)
        text = " ".join("abcdefgh"[n_lost:])
        return {id_: transcript(id_, text) for id_ in ids}, Measured(
            1000.0, 1.0, 10.0 * beam, 0.0, 0.0, "library"
        )

    monkeypatch.setattr(job, "by_library", run)
    return done


def test_a_sweep_halves_goes_on_where_it_stopped_and_writes_overlays(
    tmp_path: Path, references: Path, measured: list, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "tuned"
    options = [f"--references={references}", f"--output={output}", "--sweep=decode.beam_size=1,2,5,10"]
    options += ["--sweep=vad.threshold=0.3,0.5,0.9", "--candidates=12"]
    assert job.main([*options, "--budget-min=0"]) == 1 and measured == []
    assert "nothing can be compared yet" in capsys.readouterr().out
    assert job.main(options) == 0
    assert [n for n, _, _ in measured] == [8] * 12 + [24] * 5 + [72] * 2, "the base and a third go on"
    n_measured = len(measured)
    assert job.main(options) == 0 and len(measured) == n_measured, "all of it is known"
    told = capsys.readouterr().out
    assert "fastest at no worse WER: as configured" in told or "vad.threshold=0.3" in told
    found = json.loads((output / "tune.json").read_text())
    assert found["complete"] and found["candidates"][0]["cost"] == pytest.approx(0.01)
    for goal in ("fastest", "best"):
        assert load([output / f"overlay-{goal}.yaml"]).decode.beam_size == 5
    assert "<svg" in (output / "tune.html").read_text()
    assert job.main([*options, "--set=decode.full_context=true"]) == 0
    assert len(measured) == 2 * n_measured, "other settings are another sweep"


def test_a_setting_that_loses_recordings_is_no_better_for_it(
    tmp_path: Path, references: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(manifest: str, config: Config, folder: str) -> tuple[Answers, Measured]:
        ids = [json.loads(line)["recording_id"] for line in Path(manifest).read_text().splitlines()]
        loses = config.decode.beam_size == 1
        lost = {id_ for id_ in ids if loses and int(id_[:-4]) % 2}
        failure = {id_: Failure(id_, "transcribe", "engine_failed", "", "", True) for id_ in lost}
        said = "a b c d e f g h" if loses else "a b c d e f g x"
        return {**{id_: transcript(id_, said) for id_ in ids}, **failure}, Measured(
            9.0, 1, 1, 0, 0, "library"
        )

    monkeypatch.setattr(job, "by_library", run)
    found = job.run(
        references=str(references), output=str(tmp_path / "tuned"), space={"decode.beam_size": (1,)}
    )
    (fast,) = (one for one in found.trials if one.settings)
    assert (len(fast.failed), fast.wer) == (N // 2, 0.5)
    assert all(not goal.settings for goal in found.goals.values())
    assert f"{N // 2}  decode.beam_size=1" in str(found) or "as configured" in str(found)


@pytest.mark.usefixtures("measured")
def test_what_is_remembered_belongs_to_the_texts_and_files_it_was_measured_on(
    tmp_path: Path, references: Path, measured: list
) -> None:
    given = {
        "references": str(references),
        "output": str(tmp_path / "tuned"),
        "space": {"decode.beam_size": (1,)},
    }
    assert {one.wer for one in job.run(**given).trials} == {0.0, 1 / 8}
    n_measured = len(measured)
    log = tmp_path / "tuned" / "trials.jsonl"
    log.write_text(log.read_text() + '{"of": "cut')
    job.run(**given)
    assert len(measured) == n_measured, "a line that was cut off costs nothing else"
    references.write_text(references.read_text().replace("a b c d e f g h", "a b c d e f g x"))
    assert {one.wer for one in job.run(**given).trials} == {1 / 8, 2 / 8}
    (tmp_path / "1.wav").write_bytes(b"another file")
    n_measured = len(measured)
    job.run(**given)
    assert len(measured) > n_measured
    assert all(json.loads(line) for line in log.read_text().splitlines())


@pytest.mark.parametrize(
    ("sweep", "said"),
    [
        ("decode.beam_size=many", "decode.beam_size = 'many'"),
        ("language.allowed=[en,de", "not valid YAML"),
        ("model=nowhere", "nowhere"),
        ("decode.beam=1", "did you mean beam_size"),
    ],
)
def test_what_cannot_be_swept_is_refused_before_anything_is_measured(
    tmp_path: Path,
    references: Path,
    measured: list,
    capsys: pytest.CaptureFixture[str],
    sweep: str,
    said: str,
) -> None:
    options = [f"--references={references}", f"--output={tmp_path / 'tuned'}", f"--sweep={sweep}"]
    assert job.main(options) == 2 and measured == []
    assert said in capsys.readouterr().err


def test_values_may_be_lists() -> None:
    assert job.swept(["language.allowed=[en, de],[fr]"]) == {"language.allowed": [["en", "de"], ["fr"]]}


@pytest.mark.browser
@pytest.mark.usefixtures("measured")
def test_a_browser_shows_the_page(tmp_path: Path, references: Path, browser) -> None:  # type: ignore[no-untyped-def]
    assert job.main([f"--references={references}", f"--output={tmp_path}", "--candidates=3"]) == 0
    assert faults(browser, tmp_path / "tune.html") == []


def test_settings_of_spark_get_sessions_of_their_own(
    references: Path, tmp_path: Path, measured: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions: list[str] = []

    class Session:
        def __init__(self, config: Config) -> None:
            assert not sessions or sessions[-1] == "stopped" or sessions[-1] == config.spark.master
            sessions.append(str(config.spark.master))

        def stop(self) -> None:
            sessions.append("stopped")

    options = {"references": str(references), "output": str(tmp_path / "t"), "n_candidates": 2}
    space = {"spark.master": ("local[1]", "local[2]")}
    monkeypatch.setattr(job.session, "active", lambda: None)
    with pytest.raises(ConfigError, match="needs --spark"):
        job.run(**options, space=space)  # type: ignore[arg-type]
    monkeypatch.setattr(job.session, "open", Session)
    monkeypatch.setattr(job, "by_spark", lambda _, *rest: job.by_library(*rest))
    base = load([], {"spark.master": "local[1]"})
    tuned = job.run(**options, space=space, config=base, on_spark=True)  # type: ignore[arg-type]
    assert [trial.settings for trial in tuned.trials] == [{}, {"spark.master": "local[2]"}]
    assert sessions == ["local[1]", "local[1]", "stopped", "local[2]"], "to warm up, as it is, the other one"
    monkeypatch.setattr(job.session, "active", object)
    with pytest.raises(ConfigError, match="stop the one"):
        job.run(**options, space=space, on_spark=True)  # type: ignore[arg-type]


def test_the_time_that_is_up_ends_between_trials(references: Path, tmp_path: Path, measured: list) -> None:
    with pytest.raises(ConfigError, match="KEY=VALUE"):
        job.swept(["decode.beam_size"])
    tuned = job.run(
        references=str(references), output=str(tmp_path / "t"), space=SPACE, n_candidates=3, budget_min=1
    )
    assert tuned.complete and [n for n, _, _ in measured] == [72] * 3 and len(tuned.trials) == 3
