"""Texts of one engine, word times of others: for models that write text alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from transcribe.engines.base import Aligner, Engine
from transcribe.types import ChunkAudio, DecodeOptions, Hypothesis

Speaks = Callable[[str], bool]


class AlignedEngine:
    """Implements ``base.Engine``. Words and their probabilities are the aligner's; all else is not."""

    def __init__(self, engine: Engine, aligners: Sequence[tuple[Speaks, Aligner]]) -> None:
        """``aligners``: and whether they know a language; of several the first is taken."""
        self._engine, self._aligners = engine, aligners
        self.device, self.stats = engine.device, engine.stats

    def close(self) -> None:
        self._engine.close()
        for _, aligner in self._aligners:
            aligner.close()

    def transcribe(self, chunks: Sequence[ChunkAudio], options: DecodeOptions) -> list[Hypothesis]:
        heard = self._engine.transcribe(chunks, options)
        return [self._timed(chunk, one) for chunk, one in zip(chunks, heard, strict=True)]

    def _timed(self, chunk: ChunkAudio, heard: Hypothesis) -> Hypothesis:
        """Without an aligner for its language it stays as it is: a text whose words have no times. So it does
        where the aligner would spell it otherwise (in lower case, …): a transcript's text is its words'."""
        aligner = next((one for speaks, one in self._aligners if speaks(heard.language)), None)
        if aligner is None or not heard.text:
            return heard
        words = aligner.align(replace(chunk, language=heard.language), heard.text)
        spelled = "".join(word.text for word in words)
        return replace(heard, words=words) if spelled.split() == heard.text.split() else heard
