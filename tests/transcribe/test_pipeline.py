"""From files to transcripts, one and many, in one process and several, on an engine without weights."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from core_fixtures import clip, recording, silence, write_wav

from transcribe import pipeline
from transcribe.config import Config, load
from transcribe.engines.cache import EngineCache
from transcribe.engines.fake import FakeEngine
from transcribe.errors import ClusterError, InferenceError, ModelError
from transcribe.models.registry import ModelEntry, Registry
from transcribe.pipeline import Progress, transcribe
from transcribe.types import Failure, LanguageScores, Recording, Transcript

MODEL = {
    "engine": "fake",
    "revision": "1",
    "multilingual": True,
    "languages": None,
    "licence": "none",
    "stage": "production",
    "files": {},
    "sources": [],
}
MODELS = {
    "default": "many",
    "routes": [{"language": "fr", "model": "french"}],
    "models": {"many": MODEL, "french": {**MODEL, "languages": ["fr"], "multilingual": False}},
}


@pytest.fixture
def models(tmp_path) -> Path:
    path = tmp_path / "models.yaml"
    path.write_text(yaml.safe_dump(MODELS))
    return path


@pytest.fixture
def call(tmp_path) -> Path:
    """Two sides that take turns."""
    agent = [silence(0.5), clip("call_agent_1"), silence(6.5), clip("call_agent_2"), silence(3.5)]
    caller = [silence(4.2), clip("call_caller_1"), silence(5.5), clip("call_caller_2")]
    return write_wav(tmp_path / "call.wav", np.concatenate(agent), np.concatenate(caller))


class Listener(FakeEngine):
    """Gives the language probabilities it is told, for channel 1 others; remembers what it was asked."""

    def __init__(self, name: str, asked: list, probs: dict, of_channel_1: dict | None) -> None:
        super().__init__("cpu:0")
        self._name, self.asked, self._probs, self._of_channel_1 = name, asked, probs, of_channel_1

    def transcribe(self, chunks, options):
        self.asked += [(self._name, chunk.language) for chunk in chunks]
        return super().transcribe(chunks, options)

    def identify_language(self, chunks, full_context=False):
        self.asked += [(self._name, "?") for _ in chunks]
        probs = [(self._of_channel_1 if "/1/" in chunk.chunk_id else None) or self._probs for chunk in chunks]
        return [LanguageScores(tuple(of_chunk.items())) for of_chunk in probs]


def run(path: Path, models: Path, config: Config | None = None, hint=None, of_channel_1=None, **probs: float):
    """(transcript, what each model was asked)"""
    asked: list[tuple[str, str | None]] = []

    def load_engine(entry: ModelEntry, *_: Any) -> Listener:
        return Listener(entry.name, asked, probs or {"en": 1.0}, of_channel_1)

    config = config or load([], ["language.model=many"])
    one = replace(recording(hint), uri=str(path))
    (outcome,) = transcribe([one], config, Registry.load(models), engines=EngineCache(load_engine))
    return outcome, asked


def assert_sound(transcript: Transcript) -> None:
    """The promises that every transcript keeps."""
    words = [w for u in transcript.utterances for w in u.words]
    assert all(0 <= w.start_s <= w.end_s <= transcript.duration_s for w in words)
    assert transcript.text == " ".join(u.text for u in transcript.utterances)
    starts = [u.start_s for u in transcript.utterances]
    assert starts == sorted(starts)
    coverage = transcript.coverage
    dropped_s = sum(d.end_s - d.start_s for d in coverage.dropped)
    assert coverage.speech_s == coverage.sent_s == pytest.approx(coverage.covered_s + dropped_s, abs=0.01)


def test_a_call_becomes_turns_of_two_speakers(call, models):
    transcript, asked = run(call, models, en=0.8, de=0.2)
    assert_sound(transcript)
    assert (transcript.language, transcript.n_channels) == ("en", 2)
    assert transcript.language_prob == pytest.approx(0.8)
    speakers = [u.speaker for u in transcript.utterances]
    assert set(speakers) == {"channel_0", "channel_1"} and speakers[0] == "channel_0"
    assert {language for _, language in asked} == {"?", "en"}
    assert transcript.coverage.speech_s > 10


def test_two_sides_may_speak_two_languages(call, models):
    transcript, asked = run(call, models, en=1.0, of_channel_1={"es": 0.9, "en": 0.1})
    assert {(u.channel, u.language) for u in transcript.utterances} == {(0, "en"), (1, "es")}
    assert {language for _, language in asked} == {"?", "en", "es"}
    assert run(call, models, en=1.0, of_channel_1={"es": 0.4, "pt": 0.35, "de": 0.25})[1][-1][1] == "en"


def test_the_language_routes_to_a_model_and_a_hint_decides(call, models):
    transcript, asked = run(call, models, fr=0.9, en=0.1)
    assert transcript.language == "fr" and set(asked) == {("many", "?"), ("french", "fr")}
    unchecked = load([], ["language.model=many", "language.check_hints=false"])
    hinted, asked = run(call, models, unchecked, hint="fr", en=1.0)
    assert hinted.language_prob == 1.0 and set(asked) == {("french", "fr")}
    assert hinted.utterances == transcript.utterances and hinted.heard == ()


def test_a_wrong_hint_decides_and_is_contradicted(call, models):
    """The French model knows one language; the multilingual one is asked in its place."""
    transcript, asked = run(call, models, hint="fr", en=1.0)
    assert set(asked) == {("many", "?"), ("french", "fr")}
    assert (transcript.language, transcript.language_source) == ("fr", "hint")
    assert [one.language for one in transcript.heard] == ["en"] and transcript.contradicted_s > 0
    assert {u.verdict for u in transcript.utterances} == {"doubtful:language"}


def test_a_model_that_does_not_speak_the_language_is_an_error_of_the_recording(call, models):
    failed, _ = run(call, models, load([], ["language.model=many", "model=french"]), en=1.0)
    assert isinstance(failed, Failure) and failed.error == "unsupported_language"


@pytest.mark.parametrize("duration_s", [0.0, 2.0])
def test_silence_is_a_transcript_without_text(tmp_path, models, duration_s):
    transcript, asked = run(write_wav(tmp_path / "a.wav", silence(duration_s)), models)
    assert (transcript.text, transcript.utterances, transcript.language) == ("", (), "und")
    assert transcript.duration_s == duration_s and asked == []


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", "empty_file"),
        (b"this is a letter\n" * 50, "not_audio"),
        (b"RIFF\0\0\0\0WAVE", "not_audio|truncated"),
    ],
)
def test_what_is_no_recording_says_so(tmp_path, models, content, error):
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    failed, asked = run(path, models)
    assert isinstance(failed, Failure) and failed.error in error.split("|") and asked == []


# --- many recordings

CLIPS = ("call_agent_1", "call_agent_2", "call_caller_1", "call_caller_2", "fr_delivery", "es_appointment")
BAD, SILENT = "bad", "silent"


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> list[Recording]:
    """Clips, a silent file and one that is no audio, in two rounds."""
    folder = tmp_path_factory.mktemp("many")
    for name in CLIPS:
        write_wav(folder / f"{name}.wav", clip(name))
    write_wav(folder / f"{SILENT}.wav", silence(2.0))
    (folder / f"{BAD}.wav").write_bytes(b"this is a letter\n" * 50)
    return [
        replace(recording(), recording_id=f"{name}-{n}", uri=str(folder / f"{name}.wav"))
        for n in range(2)
        for name in (*CLIPS[:3], BAD, SILENT, *CLIPS[3:])
    ]


def outcomes(recordings: Sequence[Recording], models: Path, **options: Any) -> list[Transcript | Failure]:
    config = options.pop("config", load([], ["language.model=many"]))
    return list(transcribe(recordings, config, Registry.load(models), **options))


def by_id(found: Sequence[Transcript | Failure]) -> dict[str, Transcript | Failure]:
    keyed = {o.recording.recording_id if isinstance(o, Transcript) else o.recording_id: o for o in found}
    assert len(keyed) == len(found)
    return keyed


def ids(recordings: Sequence[Recording]) -> list[str]:
    return [one.recording_id for one in recordings]


class Shy(FakeEngine):
    """Remembers how many chunks it got at a time; fails on those of the ids it is told."""

    def __init__(self, fails_on: str = "") -> None:
        super().__init__("cpu:0")
        self.asked: list[int] = []
        self._fails_on = fails_on

    def transcribe(self, chunks, options):
        self.asked += [len(chunks)] * bool(chunks)
        if self._fails_on and any(self._fails_on in chunk.chunk_id for chunk in chunks):
            raise InferenceError("engine_failed", "out of memory", "lower decode.batch_s")
        return super().transcribe(chunks, options)


def test_each_recording_has_one_outcome_in_their_order(many, models):
    found = outcomes(many, models)
    assert list(by_id(found)) == ids(many)
    for outcome in found:
        if isinstance(outcome, Transcript):
            assert_sound(outcome)
            assert bool(outcome.text) != outcome.recording.recording_id.startswith(SILENT)
        else:
            assert (outcome.recording_id[:3], outcome.error) == (BAD, "not_audio")
    assert outcomes([], models) == []


def test_recordings_share_batches_and_nothing_shows_in_the_result(many, models, monkeypatch):
    engine = Shy()
    together = outcomes(many, models, engines=EngineCache(lambda *_: engine))
    assert len(engine.asked) == 1 and engine.asked[0] >= 2 * len(CLIPS)
    monkeypatch.setattr("transcribe.decoding.gathering.GATHER_S", 1.0)
    assert outcomes(many, models) == together
    alone = [outcome for one in many for outcome in outcomes([one], models)]
    assert alone == together
    shuffled = random.Random(1).sample(many, len(many))
    assert by_id(outcomes(shuffled, models)) == by_id(together)


def test_recordings_are_taken_up_only_as_they_are_needed(many, models, monkeypatch):
    monkeypatch.setattr("transcribe.decoding.gathering.GATHER_S", 1.0)
    taken: list[str] = []

    def endless():
        while True:
            for one in many:
                taken.append(one.recording_id)
                yield one

    config = load([], ["language.model=many", "decode.threads=1"])
    found = transcribe(endless(), config, Registry.load(models))
    for _ in range(4):
        next(found)
    found.close()
    assert 4 <= len(taken) <= 8


def test_samples_of_long_recordings_wait_on_disk(many, models, monkeypatch):
    together = outcomes(many, models)
    monkeypatch.setattr("transcribe.speech.spool.MAX_IN_MEMORY_BYTES", 1000)
    assert outcomes(many, models) == together


def test_a_recording_on_which_the_engine_fails_fails_alone(many, models):
    found = by_id(outcomes(many, models, engines=EngineCache(lambda *_: Shy("call_agent_2-1"))))
    failed = found.pop("call_agent_2-1")
    assert isinstance(failed, Failure) and (failed.stage, failed.error) == ("transcribe", "engine_failed")
    good = by_id(outcomes(many, models))
    good.pop("call_agent_2-1")
    assert found == good


def test_the_same_recording_twice_is_done_twice(many, models):
    twice = outcomes([many[0], many[0]], models)
    assert twice[0] == twice[1] and len(twice) == 2


def test_missing_weights_end_it(many, models):
    with pytest.raises(ModelError, match="no source"):
        outcomes(many, models, engines=EngineCache(load_nothing))


def load_slow(*_: Any) -> FakeEngine:
    """As if it had taken 7 seconds."""
    engine = FakeEngine("cpu:0")
    engine.stats.load_s = 7.0
    return engine


@pytest.mark.parametrize("processes", [1, 2])
def test_progress_adds_up(many, models, processes):
    told: list[Progress] = []
    engines = EngineCache(load_slow)
    found = outcomes(many, models, processes=processes, engines=engines, on_progress=told.append)
    last = told[-1]
    assert (last.n_done, last.n_failed) == (len(many), 2)
    durations_s = [outcome.duration_s for outcome in found if isinstance(outcome, Transcript)]
    assert last.audio_s == pytest.approx(sum(durations_s), abs=0.01)
    assert (
        last.encoded_s == pytest.approx(last.chunk_s) and last.load_s > 0 and last.n_chunks >= 2 * len(CLIPS)
    )
    assert [p.n_done for p in told] == sorted(p.n_done for p in told)


# --- several processes


class Killer(FakeEngine):
    """Dies with all its process when it gets a chunk of the ids it is told."""

    def __init__(self, victims: Sequence[str]) -> None:
        super().__init__("cpu:0")
        self._victims = victims

    def transcribe(self, chunks, options):
        if any(victim in chunk.chunk_id for victim in self._victims for chunk in chunks):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().transcribe(chunks, options)


def load_killer(*_: Any, victims: Sequence[str]) -> Killer:
    return Killer(victims)


def load_nothing(*_: Any) -> FakeEngine:
    raise ModelError("no source gave the files")


def test_the_number_of_processes_does_not_show_in_the_result(many, models):
    assert by_id(outcomes(many, models, processes=2)) == by_id(outcomes(many, models))


def test_a_recording_that_kills_its_process_is_a_failure_and_the_others_go_on(many, models):
    few, victim = many[:5], "call_agent_2-0"
    found = by_id(
        outcomes(few, models, processes=2, engines=EngineCache(partial(load_killer, victims=[victim])))
    )
    lost = found.pop(victim)
    assert isinstance(lost, Failure) and lost.retryable
    assert (lost.stage, lost.error, lost.message) == (
        "worker",
        "worker_crashed",
        "its process was ended by signal 9",
    )
    assert found == by_id(outcomes([one for one in few if one.recording_id != victim], models))


def test_a_machine_on_which_everything_dies_is_not_taken_for_bad_recordings(many, models, monkeypatch):
    monkeypatch.setattr(pipeline, "MAX_LOST", 1)
    few = many[:2]
    with pytest.raises(ClusterError, match="2 recordings killed their process, the last by signal 9"):
        outcomes(few, models, processes=2, engines=EngineCache(partial(load_killer, victims=ids(few))))


def test_missing_weights_end_all_processes(many, models):
    with pytest.raises(ModelError, match="no source"):
        outcomes(many[:2], models, processes=2, engines=EngineCache(load_nothing))
