"""Whisper's tokens of a text that is to be read: those that it would write itself."""

from __future__ import annotations

import pytest

from transcribe.engines.whisper_tokens import WhisperTokens
from transcribe.models.cache import fetch
from transcribe.models.registry import Registry

pytestmark = pytest.mark.weights


@pytest.mark.parametrize("name", ["base", "tiny.en"])
def test_a_word_that_is_a_token_is_read_as_one(name):
    entry = Registry.load("conf/models").get(name)
    tokenizer = WhisperTokens(fetch(entry) / "tokenizer.json", is_multilingual=entry.multilingual).of("en")
    words = [(token, tokenizer.decode([token])) for token in range(256, tokenizer.eot)]
    words = [(token, word) for token, word in words if word.startswith(" ") and word[1:].isalpha()]
    assert len(words) > 30_000
    assert not [word for token, word in words if tokenizer.encode(word) != [token]]
    assert tokenizer.decode(tokenizer.encode(" think, that this")) == " think, that this"
