"""An engine for tests of everything around engines: quick, deterministic, no weights.

It writes one number a half second of a chunk, never the same twice in a chunk, and takes everything for
English.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from transcribe.config import Config
from transcribe.engines.base import Device, EngineStats
from transcribe.models.traits import Traits
from transcribe.types import ChunkAudio, DecodeOptions, Hypothesis, HypothesisWord, LanguageScores

WORD_S = 0.5
STRIDE, MODULUS = 7919, 10_007
HEARD = LanguageScores((("en", 0.9), ("de", 0.1)))


def load(model_dir: Path, config: Config, device: Device, traits: Traits) -> FakeEngine:
    """See ``engines.ENGINES``."""
    return FakeEngine(str(device))


class FakeEngine:
    """Implements ``engines.base.Engine`` and ``LanguageIdentifier``."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.stats = EngineStats()

    def close(self) -> None:
        pass

    def transcribe(self, chunks: Sequence[ChunkAudio], options: DecodeOptions) -> list[Hypothesis]:
        heard = HEARD if options.tell_languages else None
        return [replace(self._hypothesis(chunk), heard=heard) for chunk in chunks]

    def identify_language(
        self, chunks: Sequence[ChunkAudio], full_context: bool = False
    ) -> list[LanguageScores]:
        return [HEARD for _ in chunks]

    def _hypothesis(self, chunk: ChunkAudio) -> Hypothesis:
        self.stats.audio_s += chunk.duration_s
        self.stats.encoded_s += chunk.duration_s
        n_words = max(1, int(chunk.duration_s / WORD_S))
        words = tuple(
            HypothesisWord(
                f" {n * STRIDE % MODULUS}", n * WORD_S, min((n + 1) * WORD_S, chunk.duration_s), 0.9
            )
            for n in range(n_words)
        )
        text = "".join(word.text for word in words).strip()
        return Hypothesis(text, chunk.language or "en", words, -0.2, 0.01)
