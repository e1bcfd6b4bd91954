"""Word times against gold word times.

A gold word and a hypothesis word are compared only where an alignment of the two texts says they are the
same word, so errors of recognition do not count as errors of time. Both must be on the same clock.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rapidfuzz.distance import Levenshtein

from transcribe.evaluate.word_error import NORMALISERS

TimedText = tuple[float, float, str]
"""start_s, end_s, word."""

WITHIN_MS = (50, 100, 200)


@dataclass(frozen=True)
class TimeErrors:
    """Absolute errors in seconds, one for each compared start and end. Adds up with ``+``."""

    starts_s: tuple[float, ...] = ()
    ends_s: tuple[float, ...] = ()
    n_gold: int = 0  # gold words, matched or not

    def __add__(self, other: TimeErrors) -> TimeErrors:
        return TimeErrors(
            self.starts_s + other.starts_s, self.ends_s + other.ends_s, self.n_gold + other.n_gold
        )

    def summary(self) -> dict[str, float | int | None]:
        """Per side ``n``, ``median_ms`` (None when nothing matched), ``p90_ms`` (of two at
        least) and shares ``within_50_ms`` and so on."""
        result: dict[str, float | int | None] = {"n_gold": self.n_gold}
        for side, errors_s in (("start", self.starts_s), ("end", self.ends_s)):
            result[f"{side}_n"] = len(errors_s)
            result[f"{side}_median_ms"] = 1000 * statistics.median(errors_s) if errors_s else None
            result[f"{side}_p90_ms"] = 1000 * _p90(errors_s) if errors_s[1:] else None
            for limit_ms in WITHIN_MS:
                # half a millisecond of grace: times have three decimals, their differences do not
                hits = sum(error_s * 1000 <= limit_ms + 0.5 for error_s in errors_s)
                result[f"{side}_within_{limit_ms}_ms"] = hits / len(errors_s) if errors_s else None
        return result


def _p90(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=10, method="inclusive")[-1]


Cells = Mapping[str, Mapping[str, TimeErrors]]
"""Group of gold words → system → its errors."""


def groups(source: str, language: str) -> tuple[str, str]:
    """Where gold words of this source and language are counted: with all of the source, and by language."""
    return source, f"{source}, {language}"


def rows(cells: Cells) -> list[dict[str, str]]:
    """A table: a row a group, side and system, groups in alphabetical order."""
    found = []
    for group, systems in sorted(cells.items()):
        for side in ("start", "end"):
            for name, errors in systems.items():
                told = errors.summary()
                row = {"gold times": group, "side": side, "system": name}
                row["matched"] = f"{told[f'{side}_n']} / {told['n_gold']}"
                row["median ms"] = _told(told[f"{side}_median_ms"], ".0f")
                row["p90 ms"] = _told(told[f"{side}_p90_ms"], ".0f")
                shares = {ms: told[f"{side}_within_{ms}_ms"] for ms in WITHIN_MS}
                found.append(row | {f"≤ {ms} ms": _told(share, ".2f") for ms, share in shares.items()})
    return found


def _told(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


@dataclass(frozen=True)
class _Piece:
    """A token of a word's normalised text. Only a word's first piece knows when it starts, its last when
    it ends: "l'homme" against "l'" + "homme" still compares one start and one end."""

    text: str
    start_s: float | None
    end_s: float | None


def compare_word_times(
    gold: Iterable[TimedText], hypothesis: Iterable[TimedText], language: str
) -> TimeErrors:
    """Time errors of the words that both hold, both in time order. An empty side gives no errors."""
    gold = list(gold)
    wanted, heard = _pieces(gold, language), _pieces(hypothesis, language)
    starts_s: list[float] = []
    ends_s: list[float] = []
    for same in Levenshtein.opcodes([piece.text for piece in wanted], [piece.text for piece in heard]):
        if same.tag != "equal":
            continue
        both = wanted[same.src_start : same.src_end], heard[same.dest_start : same.dest_end]
        for a, b in zip(*both, strict=True):
            if a.start_s is not None and b.start_s is not None:
                starts_s.append(abs(a.start_s - b.start_s))
            if a.end_s is not None and b.end_s is not None:
                ends_s.append(abs(a.end_s - b.end_s))
    return TimeErrors(tuple(starts_s), tuple(ends_s), len(gold))


def _pieces(words: Iterable[TimedText], language: str) -> list[_Piece]:
    # The English normaliser joins and expands words ("twenty five" → 25), which would lose their times.
    pieces = []
    for start_s, end_s, text in words:
        texts = NORMALISERS["basic"](text, language)
        for i, piece in enumerate(texts):
            first, last = i == 0, i == len(texts) - 1
            pieces.append(_Piece(piece, start_s if first else None, end_s if last else None))
    return pieces
