"""How sure an error rate is, and whether a second one on the same recordings is worse: by resampling them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

N_SAMPLES = 2000
CONFIDENCE = 0.95
SEED = 20_261_101


def interval(errors: Sequence[float], totals: Sequence[float]) -> tuple[float, float] | None:
    """Bootstrap interval (95 %, over recordings) of sum(errors) / sum(totals).

    None with fewer than two recordings, or without any token.
    """
    e, n = np.asarray(errors, float), np.asarray(totals, float)
    if len(e) < 2 or n.sum() <= 0:
        return None
    drawn = np.random.default_rng(SEED).integers(0, len(e), (N_SAMPLES, len(e)))
    sums = n[drawn].sum(axis=1)
    rates = e[drawn].sum(axis=1)[sums > 0] / sums[sums > 0]
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(rates, [tail, 100 - tail])
    return float(low), float(high)


@dataclass(frozen=True)
class Paired:
    """A candidate beside a baseline on the same recordings."""

    n_recordings: int
    baseline_rate: float
    candidate_rate: float
    p: float  # of a difference at least so large in this direction, if the two were equal

    @property
    def difference(self) -> float:
        """Above 0: the candidate makes more errors."""
        return self.candidate_rate - self.baseline_rate

    def verdict(self, alpha: float = 0.05) -> Literal["worse", "better", "no difference shown"]:
        if self.p >= alpha or not self.difference:
            return "no difference shown"
        return "worse" if self.difference > 0 else "better"


def paired(baseline: Sequence[float], candidate: Sequence[float], totals: Sequence[float]) -> Paired:
    """Errors of both on each recording, and the recordings' tokens.

    A permutation test: if the systems were equal, each recording's two error counts might as well be
    exchanged. Empty input has equal rates and p = 1.
    """
    a, b, n = (np.asarray(values, float) for values in (baseline, candidate, totals))
    total = n.sum()
    if total <= 0:
        return Paired(len(a), 0.0, 0.0, 1.0)
    difference = b - a
    signs = np.random.default_rng(SEED).choice((-1.0, 1.0), (N_SAMPLES, len(a)))
    drawn = signs @ difference
    observed = difference.sum()
    at_least = np.sum(drawn >= observed) if observed > 0 else np.sum(drawn <= observed)
    return Paired(len(a), a.sum() / total, b.sum() / total, float(at_least + 1) / (N_SAMPLES + 1))
