"""Which of two decodings of the same audio to believe: the one most like everything that was found.

Beam search gives the most probable sentence; the sentence with the fewest wrong words is the one with the
least expected word edit distance to all candidates, weighted by their probability (Stolcke, König and
Weintraub 1997, "Explicit word error minimization in N-best list rescoring"). Within one beam that gains
nothing; between two decodings that heard the audio differently it does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from rapidfuzz.distance import Levenshtein

from transcribe.types import Candidate, Hypothesis
from transcribe.words import compared_words

SHARPNESS = 10.0
"""How much a nat of mean log-probability a token counts. To ``select`` values between 5 and 20 are alike; the
default of ``guards.unsure_disagreement`` was found with this one."""


def select(first: Hypothesis, second: Hypothesis) -> Hypothesis:
    """The one of two hypotheses that agrees better with the candidates of both; ``first`` when equal.

    Candidates include the hypothesis itself, or are none. Loops and early stops are for the guards.
    """
    rivals = [candidate for one in (first, second) for candidate in _found(one)]
    return min((first, second), key=lambda hypothesis: _risk(hypothesis, rivals))


def expected_error_rate(hypothesis: Hypothesis) -> float:
    """Expected share of wrong words, if one of its candidates is what was said; 0 when it has no rival.

    A better sign than a low log-probability: a beam unsure of letters and pauses may yet agree on the words.
    """
    n_words = len(compared_words(hypothesis.text, hypothesis.language))
    return _risk(hypothesis, _found(hypothesis)) / max(1, n_words)


def _found(hypothesis: Hypothesis) -> tuple[Candidate, ...]:
    return hypothesis.candidates or (Candidate(hypothesis.text, hypothesis.avg_logprob),)


def _risk(hypothesis: Hypothesis, rivals: Sequence[Candidate]) -> float:
    """Expected number of wrong words, if one of ``rivals`` is what was said."""
    words = compared_words(hypothesis.text, hypothesis.language)
    best = max(rival.avg_logprob for rival in rivals)
    weights = [math.exp(SHARPNESS * (rival.avg_logprob - best)) for rival in rivals]
    wrong = (Levenshtein.distance(words, compared_words(rival.text, hypothesis.language)) for rival in rivals)
    return sum(weight * n for weight, n in zip(weights, wrong, strict=True)) / sum(weights)
