"""The language of each stretch along a channel: neighbours share one unless the odds are against it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from transcribe.languages import UNDETERMINED

FULL_S = 3.0
"""Of speech: less of it says less about its language."""
LEAST_PROB = 0.002
"""Of any language in any stretch: no single one proves anything by itself."""
WORTH_PROB = 0.05
"""A language that is nowhere as likely as this is not looked for."""


def follow(
    stretches: Sequence[tuple[Mapping[str, float], float]], switch_odds: float, start: str | None = None
) -> list[str]:
    """The likeliest sequence of languages, one a stretch, given as (language → probability, seconds of
    speech) in time order.

    To change the language costs ``switch_odds``: so many times likelier must the others be together. It
    begins in ``start`` (a hint, or what the recording is decoded in), which need not have been heard; None:
    in any. A stretch without probabilities goes with its neighbours. (Viterbi's algorithm.)
    """
    if not stretches:
        return []
    worth = {code for probs, _ in stretches for code, p in probs.items() if p >= WORTH_PROB}
    codes = sorted(worth | ({start} if start else set())) or [UNDETERMINED]
    switch = math.log(switch_odds)
    cost = {code: 0.0 if start in (None, code) else switch for code in codes}
    came_from: list[dict[str, str]] = []
    for n, (probs, speech_s) in enumerate(stretches):
        if n:
            best = min(codes, key=lambda code: (cost[code], code))
            stays = {code: cost[code] <= cost[best] + switch for code in codes}
            came_from.append({code: code if stays[code] else best for code in codes})
            cost = {code: min(cost[code], cost[best] + switch) for code in codes}
        if probs:
            weight = min(1.0, speech_s / FULL_S)
            cost = {
                code: cost[code] - weight * math.log(max(probs.get(code, 0.0), LEAST_PROB)) for code in codes
            }
    path = [min(codes, key=lambda code: (cost[code], code))]
    for sources in reversed(came_from):
        path.append(sources[path[-1]])
    return path[::-1]
