"""What every engine is: batches of chunks in, one hypothesis a chunk out, on the chunk's clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from transcribe.types import ChunkAudio, DecodeOptions, Hypothesis, LanguageScores


@dataclass
class EngineStats:
    """What an engine has done since it was loaded; seconds of wall time or of audio."""

    load_s: float = 0.0
    encoded_s: float = 0.0  # audio the encoder saw, padding included
    audio_s: float = 0.0  # audio it was asked about


class Engine(Protocol):
    """One loaded model on one device. Not thread-safe; one a Python worker."""

    stats: EngineStats
    device: str  # cpu:0, cuda:1, ...

    def transcribe(self, chunks: Sequence[ChunkAudio], options: DecodeOptions) -> list[Hypothesis]:
        """One hypothesis a chunk, in the same order; each depends on its own chunk alone.

        Batching, sorting and padding are the engine's business and must not show in the result.
        An empty sequence gives an empty list. Raises ``InferenceError`` when the model fails.
        """
        ...

    def identify_language(self, chunks: Sequence[ChunkAudio]) -> list[LanguageScores]:
        """Language probabilities a chunk, in the same order. A one-language model names its own."""
        ...
