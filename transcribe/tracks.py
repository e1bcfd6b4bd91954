"""When a word is said by two aligners: what `types.py` says of words that a second one timed, too."""

from __future__ import annotations

from dataclasses import dataclass

Span = tuple[float, float]
"""Start and end in seconds."""


@dataclass(frozen=True)
class Tracks:
    """When a word is said by the model's attention (first) and by a second aligner. Recording clock."""

    first_start_s: float
    first_end_s: float
    second_start_s: float
    second_end_s: float
    start_error_s: float  # how far the two starts are apart: the error bar of the word's
    end_error_s: float
