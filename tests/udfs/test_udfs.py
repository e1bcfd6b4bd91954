"""The UDFs of inference, called as Spark calls them: one bad chunk fails alone, costs are counted once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from nightly_fixtures import write_registry

from transcribe import config as configuration
from transcribe.config import Config
from transcribe.engines.base import Device
from transcribe.engines.cache import EngineCache
from transcribe.engines.fake import FakeEngine
from transcribe.errors import InferenceError
from transcribe.models.registry import ModelEntry, Registry
from transcribe.types import (
    Chunk,
    ChunkAudio,
    DecodeOptions,
    Hypothesis,
    LanguageScores,
    Piece,
    Segment,
    Stretch,
    dump,
)
from udfs import rows, worker
from udfs import transcribe as bridge
from udfs.rows import SEGMENTED

BAD = "bad"


class Touchy(FakeEngine):
    """Fails whenever a chunk of the bad recording is in its batch."""

    def transcribe(self, chunks: Sequence[ChunkAudio], options: DecodeOptions) -> list[Hypothesis]:
        self._look(chunks)
        return super().transcribe(chunks, options)

    def identify_language(
        self, chunks: Sequence[ChunkAudio], full_context: bool = False
    ) -> list[LanguageScores]:
        self._look(chunks)
        return super().identify_language(chunks, full_context)

    def _look(self, chunks: Sequence[ChunkAudio]) -> None:
        if any(chunk.chunk_id.startswith(BAD) for chunk in chunks):
            raise InferenceError("engine_failed", "out of memory", "lower decode.batch_s")


class Counter:
    """As much of Spark's accumulator as is used."""

    value = 0.0

    def add(self, seconds: float) -> None:
        self.value += seconds


@pytest.fixture
def entry(tmp_path: Path) -> ModelEntry:
    return Registry.load(write_registry(tmp_path)).get("fake")


@pytest.fixture
def touchy(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the place of the fake engine, loaded in 7 seconds."""
    engine = Touchy("cuda:2")
    engine.stats.load_s = 7.0
    monkeypatch.setattr(worker, "_engines", EngineCache(lambda *_: engine))


def chunks(*ids: str, n: int = 2, model: str = "fake") -> pd.DataFrame:
    """``n`` chunks of a second for each recording."""
    made = [
        Chunk(id_, 0, k, (Piece(2.0 * k, 0.0, 1.0),), (Segment(0, 2.0 * k, 2.0 * k + 1.0),))
        for id_ in ids
        for k in range(n)
    ]
    pcm = np.zeros(16_000, np.int16)
    frame = rows.frame([rows.of_chunk(chunk, pcm) for chunk in made], SEGMENTED)
    return frame.assign(languages=dump(rows.Languages((Stretch("en"),))), model=model)


def held(frames: Iterable[pd.DataFrame], kind: str) -> list[Any]:
    """What the rows of a kind hold."""
    return [rows.value(row) for frame in frames for row in frame.itertuples() if row.kind == kind]


def test_a_chunk_on_which_the_engine_fails_fails_alone(touchy: None, entry: ModelEntry) -> None:
    done_s = Counter()
    stage = bridge.transcribe({"fake": entry}, Config(), done_s)  # type: ignore[arg-type]
    found = list(stage(iter([chunks("a", BAD, "c")])))
    decoded = held(found, "decoded")
    assert [(d.chunk.recording_id, d.chunk.index) for d in decoded] == [
        ("a", 0),
        ("a", 1),
        ("c", 0),
        ("c", 1),
    ]
    assert all(d.hypothesis.text for d in decoded)
    assert {(f.recording_id, f.stage, f.error, f.retryable) for f in held(found, "failure")} == {
        (BAD, "transcribe", "engine_failed", True)
    }
    (cost,) = held(found, "cost")
    assert (cost.device, cost.load_s, cost.audio_s) == ("cuda:2", 7.0, 4.0)
    assert done_s.value == 6.0


def test_a_chunk_whose_language_cannot_be_identified_fails_alone(touchy: None, entry: ModelEntry) -> None:
    found = list(bridge.identify(entry, Config())(iter([chunks("a", BAD, "c")])))
    (frame,) = found
    votes = frame[frame.kind == "vote"]
    assert list(zip(votes.recording_id, votes.idx, strict=True)) == [("a", 0), ("a", 1), ("c", 0), ("c", 1)]
    assert {one.ballots[0].scores.probs[0] for one in held(found, "vote")} == {("en", 0.9)}
    assert {one.recording_id for one in held(found, "failure")} == {BAD}


def test_a_model_is_loaded_once_and_its_loading_counted_once(touchy: None, entry: ModelEntry) -> None:
    def load_s(frames: list[pd.DataFrame]) -> list[float]:
        return [cost.load_s for cost in held(frames, "cost")]

    first = list(bridge.identify(entry, Config())(iter([chunks("a")])))
    stage = bridge.transcribe({"fake": entry}, Config(), Counter())  # type: ignore[arg-type]
    second = list(stage(iter([chunks("a"), chunks("c")])))
    assert (load_s(first), load_s(second)) == ([7.0], [0.0])


@pytest.mark.parametrize(
    ("device", "gpu", "expected"),
    [
        ("auto", None, Device("cpu", 0, 3)),
        ("auto", "2", Device("cuda", 2, 3)),
        ("cuda", "2", Device("cuda", 2, 3)),
        ("cuda", None, Device("cuda", 0, 3)),
        ("cpu", "2", Device("cpu", 0, 3)),
    ],
)
def test_the_device_is_the_tasks_gpu_or_what_is_set(
    device: str, gpu: str | None, expected: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    resources = {"gpu": SimpleNamespace(addresses=[gpu])} if gpu else {}
    task = SimpleNamespace(resources=lambda: resources, cpus=lambda: 3)
    monkeypatch.setattr(worker.TaskContext, "get", lambda: task)
    config = configuration.load([], {"decode.device": device})
    assert worker.assigned_device(config) == expected
    one_thread = configuration.load([], {"decode.device": device, "decode.threads": 1})
    assert worker.assigned_device(one_thread) == replace(expected, threads=1)


def test_a_models_own_settings_reach_the_decoder(entry: ModelEntry, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    class Curious(FakeEngine):
        def transcribe(self, chunks: Sequence[ChunkAudio], options: DecodeOptions) -> list[Hypothesis]:
            asked.append(options.beam_size)
            return super().transcribe(chunks, options)

    monkeypatch.setattr(worker, "_engines", EngineCache(lambda *_: Curious("cpu:0")))
    own = entry.model_copy(update={"decode": {"beam_size": 3}})
    list(bridge.transcribe({"fake": own}, Config(), Counter())(iter([chunks("a")])))  # type: ignore[arg-type]
    assert asked[0] == 3


def test_batches_are_gathered_whatever_arrow_made_of_them(touchy: None, entry: ModelEntry) -> None:
    """By audio seconds and model, not by frames."""
    frames = [chunks("a", n=1), chunks("b", n=700), chunks("c", n=700), chunks("d", n=1, model="other")]
    gathered = [
        [job.chunk.recording_id for job in jobs] for jobs, _ in bridge._gathered(iter(frames), Config())
    ]
    assert [len(batch) for batch in gathered] == [1200, 201, 1]
    assert gathered[0][0] == "a" and gathered[2] == ["d"]
    assert list(bridge._gathered(iter([]), Config())) == []


def test_no_chunks_need_no_engine(monkeypatch: pytest.MonkeyPatch, entry: ModelEntry) -> None:
    monkeypatch.setattr(worker, "_engines", EngineCache(lambda *_: pytest.fail("loaded")))
    empty = chunks()
    stage = bridge.transcribe({"fake": entry}, Config(), Counter())  # type: ignore[arg-type]
    assert list(stage(iter([]))) == [] == list(stage(iter([empty])))
