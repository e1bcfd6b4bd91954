"""Which language is spoken: a hint when given, else a vote of several chunks a channel."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from .config import LanguageConfig
from .errors import RecordingError
from .types import LanguageScores

UNDETERMINED = "und"
"""Language of a recording without speech and without a hint (ISO 639-2)."""


class LanguageError(RecordingError):
    """A language that cannot be transcribed."""

    stage = "plan"
    retryable = False


def known_languages() -> frozenset[str]:
    """The codes of Whisper's language tokens."""
    from faster_whisper.tokenizer import _LANGUAGE_CODES

    return frozenset(_LANGUAGE_CODES)


def normalize_hint(hint: str | None) -> str | None:
    """``en-US``, ``EN`` or ``en`` → ``en``; empty → None. Raises ``LanguageError`` for an unknown one."""
    code = (hint or "").strip().lower().replace("_", "-").split("-")[0]
    if not code or code in ("und", "auto", "unknown", "nan", "none"):
        return None
    if code not in known_languages():
        raise LanguageError(
            "unknown_language", f"language hint {hint!r} is not a Whisper language", "give an ISO 639-1 code or none"
        )
    return code


def choose_chunks(speech_s_by_chunk: Mapping[int, float], config: LanguageConfig) -> list[int]:
    """Indices of one channel's chunks that vote: those with the most speech, in time order."""
    ranked = sorted(speech_s_by_chunk, key=lambda index: (-speech_s_by_chunk[index], index))
    return sorted(ranked[: config.n_chunks])


def vote(ballots: Sequence[tuple[LanguageScores, float]], config: LanguageConfig) -> tuple[str, float]:
    """Language and probability from (scores, speech seconds) of several chunks; ties go by name.

    The probability is the speech-weighted mean of the chunks'. No ballots give (``und``, 0).
    """
    totals: dict[str, float] = defaultdict(float)
    for scores, speech_s in ballots:
        probs = {code: p for code, p in scores.probs if not config.allowed or code in config.allowed}
        norm = sum(probs.values()) or 1.0
        for code, prob in probs.items():
            totals[code] += prob / norm * max(speech_s, 0.1)
    if not totals:
        return UNDETERMINED, 0.0
    best = min(totals, key=lambda code: (-totals[code], code))
    return best, totals[best] / sum(totals.values())


def of_recording(channels: Mapping[int, tuple[str, float, float]]) -> tuple[str, float]:
    """A recording's language from its channels' (language, probability, speech seconds): most speech wins."""
    spoken: dict[str, float] = defaultdict(float)
    for code, _, speech_s in channels.values():
        spoken[code] += speech_s
    if not spoken:
        return UNDETERMINED, 0.0
    best = min(spoken, key=lambda code: (-spoken[code], code))
    weighted = sum(prob * speech_s for code, prob, speech_s in channels.values() if code == best)
    return best, weighted / (spoken[best] or 1.0)
