"""Whisper's tokens: the prompt of a language, what a text must not hold, and which tokens are a word."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import tokenizers
from faster_whisper.tokenizer import Tokenizer


class WhisperTokens:
    """The tokens of a model's ``tokenizer.json``, for any language it knows."""

    def __init__(self, path: Path, *, is_multilingual: bool) -> None:
        """Raises whatever ``tokenizers`` raises for a file that it cannot read."""
        self._all = tokenizers.Tokenizer.from_file(str(path))
        self._is_multilingual = is_multilingual
        self._of_language: dict[str, Tokenizer] = {}

    def of(self, language: str | None) -> Tokenizer:
        """The tokenizer of a language; of English where none is given."""
        language = language or "en"
        if language not in self._of_language:
            self._of_language[language] = Tokenizer(
                self._all, self._is_multilingual, task="transcribe", language=language
            )
        return self._of_language[language]


def prompt(tokenizer: Tokenizer) -> list[int]:
    """What a text without times begins with."""
    return [*tokenizer.sot_sequence, tokenizer.no_timestamps]


def suppressed(tokenizer: Tokenizer) -> list[int]:
    """Symbols that are never spoken, and control tokens."""
    control = (
        tokenizer.transcribe,
        tokenizer.translate,
        tokenizer.sot,
        tokenizer.sot_prev,
        tokenizer.sot_lm,
        tokenizer.no_speech,
    )
    return sorted({*tokenizer.non_speech_tokens, *(t for t in control if t is not None)})


def text(tokenizer: Tokenizer, tokens: Sequence[int]) -> str:
    return str(tokenizer.decode([token for token in tokens if token < tokenizer.eot])).strip()
