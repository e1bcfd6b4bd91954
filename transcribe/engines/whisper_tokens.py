"""Whisper's tokens: the prompt of a language, what a text must not hold, and which tokens are a word."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import tokenizers
from faster_whisper.tokenizer import Tokenizer

N_BYTES = 256
"""Of the vocabulary's tokens the first are bytes; each of the next is what a merge makes of two others."""


class WhisperTokens:
    """The tokens of a model's ``tokenizer.json``, for any language it knows."""

    def __init__(self, path: Path, *, is_multilingual: bool) -> None:
        """Raises whatever ``tokenizers`` raises for a file that it cannot read."""
        self._all = tokenizers.Tokenizer.from_str(_with_first_merge(path.read_text(encoding="utf-8")))
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


def _with_first_merge(text: str) -> str:
    """The same tokenizer, knowing how its first token that is no byte is made: a space and a t.

    Files of multilingual models (faster-whisper's, for one) lack that merge, so in a text to be read, as in a
    forced alignment, " this" would be two tokens, which the model finds improbable.
    """
    content = json.loads(text)
    merges = content.get("model", {}).get("merges", [])
    vocabulary = content["model"]["vocab"] if merges else {}
    token = next((token for token, place in vocabulary.items() if place == N_BYTES), "")
    if len(token) != 2 or any("".join(one).replace(" ", "") == token for one in merges):
        return text
    merges.insert(0, " ".join(token) if isinstance(merges[0], str) else [*token])
    return json.dumps(content)


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
