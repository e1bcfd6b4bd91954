"""What every engine is: batches of chunks in, one hypothesis a chunk out, on the chunk's clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from transcribe.alignment.recipe import Reading
from transcribe.errors import ModelError
from transcribe.types import ChunkAudio, DecodeOptions, Hypothesis, HypothesisWord, LanguageScores


@dataclass(frozen=True)
class Device:
    """Where an engine runs, and on how many CPU threads."""

    kind: Literal["cpu", "cuda"] = "cpu"
    index: int = 0
    threads: int = 1

    def __str__(self) -> str:
        return f"{self.kind}:{self.index}"


@dataclass
class EngineStats:
    """What an engine has done since it was loaded; seconds of wall time or of audio."""

    load_s: float = 0.0
    loaded_bytes: int = 0  # by which its process has grown meanwhile
    encoded_s: float = 0.0  # audio the encoder saw, padding included
    audio_s: float = 0.0  # audio it was asked about


class Engine(Protocol):
    """One loaded model on one device. Not thread-safe; a Python worker keeps it in an ``EngineCache``."""

    stats: EngineStats
    device: str  # cpu:0, cuda:1, ...

    def transcribe(self, chunks: Sequence[ChunkAudio], options: DecodeOptions) -> list[Hypothesis]:
        """One hypothesis a chunk, in the same order; each depends on its own chunk and ``options`` alone.

        Batching, sorting and padding are the engine's business and must not show in the result.
        An empty sequence gives an empty list. Raises ``InferenceError`` when the model fails.
        """
        ...

    def close(self) -> None:
        """Give back all memory. The engine is not used afterwards."""
        ...


@runtime_checkable
class LanguageIdentifier(Engine, Protocol):
    """An engine that can tell languages apart. One whose model knows one language only is none."""

    def identify_language(
        self, chunks: Sequence[ChunkAudio], full_context: bool = False
    ) -> list[LanguageScores]:
        """Return each chunk's language probabilities, in the same order.

        ``full_context`` encodes as much padding as the model was trained with. Raises ``InferenceError``, or
        ``ModelError`` when its weights know one language only.
        """
        ...


@runtime_checkable
class Reader(Protocol):
    """An engine that can say how its model attends to a chunk while it writes a given text."""

    def read(self, chunk: ChunkAudio, text: str) -> Reading:
        """Attention of all heads. ``chunk`` is no longer than what the model hears at once."""
        ...


class Aligner(Protocol):
    """A model that can say when the words of any text are said, whoever wrote it."""

    def align(self, chunk: ChunkAudio, text: str) -> tuple[HypothesisWord, ...]:
        """The words of ``text``, all of it, in order, each with a time inside the chunk and how probable this
        model finds it there. Empty when the text cannot be aligned: it is empty, or too long for the model.
        """
        ...

    def close(self) -> None:
        """Give back all memory."""
        ...


def identifier(engine: Engine) -> LanguageIdentifier:
    """The engine as one that identifies languages. Raises ``ModelError`` when it cannot."""
    if not isinstance(engine, LanguageIdentifier):
        raise ModelError(f"{type(engine).__name__} cannot identify languages: set language.model to another")
    return engine
