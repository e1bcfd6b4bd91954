"""Charts as data for templates: widths of bars and points of lines, in percent of their box."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Bar:
    """One line of a bar chart; ``percent`` of the longest one."""

    label: str
    value: float
    percent: float


def bars(values: Mapping[str, float], most: int = 12) -> list[Bar]:
    """The largest first; what is more than ``most`` is one bar of its own."""
    ordered = sorted(values.items(), key=lambda item: -item[1])
    if len(ordered) > most:
        rest = sum(value for _, value in ordered[most - 1 :])
        ordered = [*ordered[: most - 1], (f"{len(ordered) - most + 1} more", rest)]
    longest = max((value for _, value in ordered), default=0.0) or 1.0
    return [Bar(label, value, 100 * value / longest) for label, value in ordered]


@dataclass(frozen=True)
class Line:
    """A line in a box of 100 × 100, y downwards; ``low`` and ``high`` are its bottom and top."""

    points: str  # as SVG wants them
    dots: list[tuple[float, float, str]]  # x, y, what to say of it
    low: float
    high: float


def line(values: Sequence[tuple[str, float]]) -> Line:
    """(label, value) in order, from left to right; the axis begins at 0."""
    high = max((value for _, value in values), default=0.0) or 1.0
    step = 100 / max(1, len(values) - 1)
    dots = [
        (round(step * i if len(values) > 1 else 50.0, 2), round(100 - 100 * value / high, 2), label)
        for i, (label, value) in enumerate(values)
    ]
    return Line(" ".join(f"{x},{y}" for x, y, _ in dots), dots, 0.0, high)
