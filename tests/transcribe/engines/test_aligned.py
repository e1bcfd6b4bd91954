"""Texts of one engine, times of another's: who times what, and what stays as it is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from transcribe.engines.aligned import AlignedEngine
from transcribe.engines.base import Device
from transcribe.engines.fake import FakeEngine
from transcribe.types import SAMPLE_RATE, ChunkAudio, DecodeOptions, HypothesisWord


class Writer(FakeEngine):
    """Writes its chunk's id, without words."""

    def transcribe(self, chunks, options):
        heard = super().transcribe(chunks, options)
        return [replace(one, text=chunk.chunk_id, words=()) for chunk, one in zip(chunks, heard, strict=True)]


class Timer:
    """Gives all words the whole chunk."""

    def __init__(self, name: str) -> None:
        self.name, self.asked, self.is_closed = name, [], False

    def align(self, chunk, text):
        self.asked.append((chunk.language, text))
        return tuple(HypothesisWord(f" {word}", 0.0, chunk.duration_s, 0.5) for word in text.split())

    def close(self):
        self.is_closed = True


def chunk(text: str, language: str | None) -> ChunkAudio:
    return ChunkAudio(text, np.zeros(SAMPLE_RATE, np.float32), language, 1.0)


def test_the_first_that_speaks_the_language_times_the_words():
    english, any_but_welsh = Timer("en"), Timer("many")
    engine = AlignedEngine(
        Writer(str(Device())),
        [(lambda code: code == "en", english), (lambda code: code != "cy", any_but_welsh)],
    )
    chunks = [chunk("good day", "en"), chunk("guten Tag", "de"), chunk("bore da", "cy"), chunk("", "en")]
    heard = engine.transcribe(chunks, DecodeOptions())
    assert [len(one.words) for one in heard] == [2, 2, 0, 0]
    assert [one.text for one in heard] == ["good day", "guten Tag", "bore da", ""]
    assert (english.asked, any_but_welsh.asked) == ([("en", "good day")], [("de", "guten Tag")])
    assert engine.stats.audio_s == pytest.approx(4.0) and engine.device == "cpu:0"
    engine.close()
    assert english.is_closed and any_but_welsh.is_closed


def test_a_text_is_not_spelled_as_its_aligner_would():
    """As where that knows small letters alone."""
    timer = Timer("en")
    timer.align = lambda chunk, text: Timer.align(timer, chunk, text.lower())
    engine = AlignedEngine(Writer("cpu:0"), [(lambda code: code == "en", timer)])
    heard = engine.transcribe([chunk("good day", "en"), chunk("Good day", "en")], DecodeOptions())
    assert [(one.text, len(one.words)) for one in heard] == [("good day", 2), ("Good day", 0)]


def test_the_language_that_a_model_took_is_aligned():
    """Where a chunk leaves it to the engine."""
    timer = Timer("en")
    engine = AlignedEngine(Writer("cpu:0"), [(lambda code: code == "en", timer)])
    engine.transcribe([chunk("good day", None)], DecodeOptions())
    assert timer.asked == [("en", "good day")]
