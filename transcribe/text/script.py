"""One script for Chinese: Whisper writes Simplified or Traditional at random, even within a recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from transcribe.errors import InferenceError
from transcribe.types import Decoded, Hypothesis

CONVERSIONS = {"simplified": "t2s", "traditional": "s2t"}
"""Script → OpenCC's conversion."""
TRADITIONAL = frozenset({"zh-Hant", "yue"})
"""Tags of hints for Traditional. A model that lacks Cantonese hears ``yue`` as ``zh``."""


def script_of(tag: str | None, setting: str) -> str:
    """The script for a recording's Chinese: ``setting``, or for ``auto`` what its hint asks for."""
    if setting != "auto":
        return setting
    return "traditional" if tag in TRADITIONAL else "simplified"


def in_script(decoded: Sequence[Decoded], script: str) -> list[Decoded]:
    """``zh`` hypotheses in ``script`` (simplified, traditional or as_heard); all others as they are.

    Raises ``InferenceError`` where there is Chinese but no OpenCC.
    """
    if script == "as_heard" or all(one.hypothesis.language != "zh" for one in decoded):
        return list(decoded)
    convert = _converter(CONVERSIONS[script]).convert
    return [
        replace(one, hypothesis=_converted(one.hypothesis, convert))
        if one.hypothesis.language == "zh"
        else one
        for one in decoded
    ]


def _converted(hypothesis: Hypothesis, convert: Any) -> Hypothesis:
    words = tuple(replace(word, text=convert(word.text)) for word in hypothesis.words)
    return replace(hypothesis, text=convert(hypothesis.text), words=words)


@cache
def _converter(conversion: str) -> Any:
    try:
        from opencc import OpenCC
    except ImportError:
        raise InferenceError(
            "missing_package",
            "one script for Chinese needs OpenCC, which is not installed",
            "pip install 'spark-transcribe[zh]', or set language.chinese_script to as_heard",
        ) from None
    return OpenCC(conversion)
