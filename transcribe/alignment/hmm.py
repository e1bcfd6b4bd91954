"""Forced alignment by hidden Markov models: when each word of a text is said, by SoundSwallower's networks.

They come with its package, for English and French, and know nothing of the model that wrote the text. They
place every word somewhere: where the text is wrong, its neighbours' times are, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from transcribe.alignment.pronunciation import said
from transcribe.clock import to_pcm
from transcribe.errors import InferenceError
from transcribe.types import Samples, Span

NETWORKS = {"en": "en-us", "fr": "fr-fr"}
"""Language → name of a network in the package."""


def align(samples: Samples, words: Sequence[str], language: str) -> list[Span | None]:
    """Start and end of each word in seconds from the first sample; None for one that cannot be said, and for
    all where the text does not fit the sound or nobody knows the language.

    It depends on these samples and words alone. Raises ``InferenceError`` without SoundSwallower.
    """
    none: list[Span | None] = [None] * len(words)
    if language not in NETWORKS:
        return none
    decoder = _decoder(language)
    texts = [said(word, language, decoder.lookup_word) for word in words]
    for text, phones in (one for of_word in texts for one in of_word):
        if decoder.lookup_word(text) is None:
            decoder.add_word(text, phones)
    found = _spoken(decoder, samples, [text for of_word in texts for text, _ in of_word])
    if not found:
        return none
    spans: list[Span | None] = []
    done = 0
    for of_word in texts:
        own = found[done : done + len(of_word)]
        spans.append((own[0][0], own[-1][1]) if own else None)
        done += len(own)
    return spans


def _spoken(decoder: Any, samples: Samples, texts: Sequence[str]) -> list[Span]:
    """Start and end of each of these words of the dictionary; nothing where they do not fit the samples."""
    if not texts or not len(samples):
        return []
    try:
        decoder.set_align_text(" ".join(texts))
        decoder.start_utt()
        decoder.process_raw(to_pcm(samples).tobytes(), full_utt=True)
        decoder.end_utt()
    except RuntimeError:
        return []
    heard = [one for one in decoder.seg or () if not one.text.startswith(("<", "[", "("))]
    if [one.text.partition("(")[0] for one in heard] != list(texts):
        return []
    starts_s = [one.start for one in heard]
    ends_s = [one.start + one.duration for one in heard]  # of its last frame: the next word's may be the same
    return list(zip(starts_s, map(min, ends_s, [*starts_s[1:], ends_s[-1]]), strict=True))


@cache
def _decoder(language: str) -> Any:
    """Loaded once a process, in about a second. Words that the dictionary lacks are added to it."""
    try:
        import num2words  # noqa: F401  for pronunciation
        from soundswallower import Decoder, get_model_path
    except ImportError:
        raise InferenceError(
            "missing_package",
            "alignment.second is hmm, but SoundSwallower is not installed",
            "pip install 'spark-transcribe[hmm]', or set alignment.second to none",
        ) from None
    folder = get_model_path(NETWORKS[language])
    return Decoder(hmm=folder, dict=f"{folder}/dict.txt", loglevel="FATAL")
