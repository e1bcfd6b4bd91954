"""Which of two decodings of the same audio to believe: the one most like everything that was found.

Beam search gives the most probable sentence; the sentence with the fewest wrong words is the one with the
least expected word edit distance to all candidates, weighted by their probability (Stolcke, König and
Weintraub 1997, "Explicit word error minimization in N-best list rescoring"). Within one beam that gains
nothing; between two decodings that heard the audio differently it does.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from rapidfuzz.distance import Levenshtein

from .config import GuardsConfig
from .guards import compression_ratio, repeats
from .types import Candidate, Hypothesis

SHARPNESS = 10.0
"""How much a nat of mean log-probability a token counts; between 5 and 20 it makes no difference."""
SHORT_SHARE = 0.65
"""A candidate with less than this share of the longest one's characters has stopped early."""
MAX_COMPRESSION_RATIO = GuardsConfig().max_compression_ratio
UNSPACED = frozenset({"zh", "yue", "ja", "th", "lo", "my", "km", "bo"})
"""Languages written without spaces: compared by characters."""


def surer(first: Hypothesis, second: Hypothesis) -> Hypothesis:
    """The one of two hypotheses that agrees better with the candidates of both; ``first`` when equal.

    A loop or an early stop loses to anything else. Candidates include the hypothesis itself, or are none.
    """
    rivals = _sane([*_found(first), *_found(second)])
    sane = [hypothesis for hypothesis in (first, second) if _itself(hypothesis) in rivals] or [first]
    return min(sane, key=lambda hypothesis: _risk(hypothesis, rivals))


def _itself(hypothesis: Hypothesis) -> Candidate:
    return Candidate(hypothesis.text, hypothesis.avg_logprob)


def _found(hypothesis: Hypothesis) -> tuple[Candidate, ...]:
    return hypothesis.candidates or (_itself(hypothesis),)


def _sane(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Those that neither loop nor stop early; all that loop, if all do."""
    found = [candidate for candidate in candidates if not _loops(candidate.text)] or list(candidates)
    longest = max(len(candidate.text) for candidate in found)
    return [candidate for candidate in found if len(candidate.text) >= SHORT_SHARE * longest]


def _loops(text: str) -> bool:
    return compression_ratio(text) > MAX_COMPRESSION_RATIO or repeats(text)


def _risk(hypothesis: Hypothesis, rivals: Sequence[Candidate]) -> float:
    """Expected number of wrong words, if one of ``rivals`` is what was said; not normalised."""
    words = _words(hypothesis.text, hypothesis.language)
    best = max(rival.avg_logprob for rival in rivals)
    return sum(
        math.exp(SHARPNESS * (rival.avg_logprob - best))
        * Levenshtein.distance(words, _words(rival.text, hypothesis.language))
        for rival in rivals
    )


def _words(text: str, language: str) -> list[str]:
    return re.findall(r"\w" if language in UNSPACED else r"\w+", text.casefold())
