"""Which of several hypotheses for the same audio to believe: the one most like all the others.

Beam search gives the most probable sentence; the sentence with the fewest wrong words is the one with the
least expected word edit distance to all candidates, weighted by their probability (Stolcke, König and
Weintraub 1997, "Explicit word error minimization in N-best list rescoring"). It costs no decoding: the
candidates are those that the beam found anyway, or two decodings' together.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from rapidfuzz.distance import Levenshtein

from .guards import compression_ratio, longest_repeat
from .types import Candidate, Hypothesis

SHARPNESS = 10.0
"""How much a nat of mean log-probability a token counts; between 5 and 20 it makes no difference."""
SHORT_SHARE = 0.65
"""A candidate with less than this share of the longest one's characters has stopped early."""
MAX_COMPRESSION_RATIO, MAX_REPEATS = 2.4, 5
"""Beyond either a candidate is a loop."""
UNSPACED = frozenset({"zh", "yue", "ja", "th", "lo", "my", "km", "bo"})
"""Languages written without spaces: compared by characters."""


def choose(candidates: Sequence[Candidate], language: str) -> int:
    """Index of the candidate to believe; ties go to the first. Loops and early stops lose to all others.

    When the most probable candidate is empty, it is taken: what else was found is no proof of speech.
    """
    if not candidates[0].text:
        return 0
    eligible = _eligible(candidates)
    return min(eligible, key=lambda i: _risk(candidates[i], [candidates[k] for k in eligible], language))


def surer(first: Hypothesis, second: Hypothesis) -> Hypothesis:
    """The one of two hypotheses for a chunk that agrees better with the candidates of both."""
    pool = [_itself(first), _itself(second), *first.candidates, *second.candidates]
    eligible = _eligible(pool)
    rivals = [pool[i] for i in eligible]
    if 0 in eligible and 1 in eligible:
        return min(first, second, key=lambda h: _risk(_itself(h), rivals, h.language))
    return second if 1 in eligible else first


def _itself(hypothesis: Hypothesis) -> Candidate:
    return Candidate(hypothesis.text, hypothesis.avg_logprob)


def _eligible(candidates: Sequence[Candidate]) -> list[int]:
    """Indices of those that neither loop nor stop early; at least one."""
    sane = [i for i, candidate in enumerate(candidates) if not _loops(candidate.text)]
    sane = sane or list(range(len(candidates)))
    longest = max(len(candidates[i].text) for i in sane)
    return [i for i in sane if len(candidates[i].text) >= SHORT_SHARE * longest]


def _loops(text: str) -> bool:
    return compression_ratio(text) > MAX_COMPRESSION_RATIO or longest_repeat(text) >= MAX_REPEATS


def _risk(candidate: Candidate, rivals: Sequence[Candidate], language: str) -> float:
    """Expected number of wrong words, if one of ``rivals`` is what was said; not normalised."""
    words = _words(candidate.text, language)
    best = max(rival.avg_logprob for rival in rivals)
    return sum(
        math.exp(SHARPNESS * (rival.avg_logprob - best))
        * Levenshtein.distance(words, _words(rival.text, language))
        for rival in rivals
    )


def _words(text: str, language: str) -> list[str]:
    return re.findall(r"\w" if language in UNSPACED else r"\w+", text.casefold())
