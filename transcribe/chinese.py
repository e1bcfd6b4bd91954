"""One script for Chinese: Whisper writes Simplified or Traditional at random, even within a recording."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

from .types import Hypothesis

CONVERSIONS = {"simplified": "t2s", "traditional": "s2t"}
"""Setting → OpenCC's conversion."""


def in_script(hypothesis: Hypothesis, script: str) -> Hypothesis:
    """A ``zh`` hypothesis in ``script`` (simplified, traditional or as_heard); any other as it is."""
    if hypothesis.language != "zh" or script == "as_heard":
        return hypothesis
    converter = _converter(CONVERSIONS[script])
    words = tuple(replace(word, text=converter.convert(word.text)) for word in hypothesis.words)
    return replace(hypothesis, text=converter.convert(hypothesis.text), words=words)


@cache
def _converter(conversion: str) -> Any:
    from opencc import OpenCC

    return OpenCC(conversion)
