"""The gate before a model is promoted: is its run worse than the baseline's, over all or in a language?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from transcribe.evaluate.significance import Paired, paired

ALPHA = 0.05
"""Of false alarms in all: half of it for all recordings together, the other half shared by the languages."""

OVER_ALL = "over all"
UNLIKE = "recordings whose reference or normaliser has changed since the baseline"
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Compared:
    """One group of recordings under both systems; its p is corrected for the number of groups."""

    group: str
    result: Paired
    verdict: Literal["worse", "better", "no difference shown"]

    def __str__(self) -> str:
        r = self.result
        rates = f"{r.baseline_rate:.4f} → {r.candidate_rate:.4f} ({r.difference:+.4f})"
        return f"{self.group}: {self.verdict}, {rates}, p {r.p:.4f}, {r.n_recordings} recordings"


@dataclass(frozen=True)
class Gate:
    """What ``models promote`` asks."""

    baseline: str
    candidate: str
    compared: list[Compared]  # over all first, then languages
    newly_failed: list[str]  # recordings that only the baseline transcribed
    invented: tuple[int, int]  # words where nobody speaks: baseline's, candidate's
    n_unlike: int = 0  # recordings whose reference or normaliser is another in the two runs

    @property
    def reasons(self) -> list[str]:
        """Why the candidate is refused; none if it may go on."""
        found = [str(one) for one in self.compared if one.verdict == "worse"]
        if not self.compared[0].result.n_recordings:
            found.append("nothing was compared: no recording is in both runs with the same reference")
        if self.newly_failed:
            found.append(
                f"{len(self.newly_failed)} recordings fail that did not: {', '.join(self.newly_failed[:5])}"
            )
        before, now = self.invented
        if now > before:
            found.append(f"{now} words where nobody speaks, {before} before")
        return found

    @property
    def passed(self) -> bool:
        return not self.reasons

    def __str__(self) -> str:
        head = f"gate: {'passed' if self.passed else 'FAILED'}: {self.candidate} beside {self.baseline}"
        return "\n".join(
            [
                head,
                *(f"  {one}" for one in self.compared),
                *([f"  not compared: {self.n_unlike} {UNLIKE}"] if self.n_unlike else []),
                *(f"  because {reason}" for reason in self.reasons),
            ]
        )


def gate(baseline: Sequence[Row], candidate: Sequence[Row]) -> Gate:
    """Rows of ``evaluations`` of one system each.

    Recordings that both hold, with the same reference and normaliser, are compared; one that fails has all
    its words wrong. One
    language that gets worse is enough. Loose references are not counted.
    """
    before = {row["recording_id"]: row for row in baseline}
    pairs = [(before[row["recording_id"]], row) for row in candidate if row["recording_id"] in before]
    alike = [(a, b) for a, b in pairs if _is_alike(a, b)]
    scored = [
        (a, b) for a, b in alike if _n_words(a, b) and not b["loose"] and not (a["error"] and b["error"])
    ]
    languages = sorted({b["language"] for _, b in scored if b["language"]})
    groups = [(OVER_ALL, scored)]
    if len(languages) > 1:
        groups += [(name, [pair for pair in scored if pair[1]["language"] == name]) for name in languages]
    return Gate(
        baseline=_name(baseline),
        candidate=_name(candidate),
        compared=[
            _compared(name, some, ALPHA / 2 if name == OVER_ALL else ALPHA / 2 / len(languages))
            for name, some in groups
        ],
        newly_failed=[b["recording_id"] for a, b in pairs if b["error"] and not a["error"]],
        invented=(sum(a["n_invented"] for a, _ in alike), sum(b["n_invented"] for _, b in alike)),
        n_unlike=len(pairs) - len(alike),
    )


def _is_alike(a: Row, b: Row) -> bool:
    return all(a[name] == b[name] for name in ("reference", "normaliser"))


def _compared(group: str, pairs: Sequence[tuple[Row, Row]], alpha: float) -> Compared:
    totals = [_n_words(a, b) for a, b in pairs]
    before = [_errors(a, n) for (a, _), n in zip(pairs, totals, strict=True)]
    now = [_errors(b, n) for (_, b), n in zip(pairs, totals, strict=True)]
    result = paired(before, now, totals)
    return Compared(group, result, result.verdict(alpha))


def _n_words(a: Row, b: Row) -> int:
    return a["n_words"] or b["n_words"] or 0


def _errors(row: Row, n_words: int) -> int:
    if row["error"]:
        return n_words
    return int(row["substitutions"] + row["deletions"] + row["insertions"])


def _name(rows: Sequence[Row]) -> str:
    return f"{rows[0]['system']} of {rows[0]['run_id']}" if rows else "nothing"
