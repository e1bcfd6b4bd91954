"""What the transcripts of one run look like together, and whether they drift from the runs before."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from transcribe.verdicts import Status

MIN_RECORDINGS = 20
"""Of a language, this run and each run before: fewer tell of single recordings."""
MIN_RUNS = 3
MAX_SIGMAS = 4.0
MIN_CHANGE = 0.05
"""Of a share or a confidence: less is no alarm, however rarely it happens."""

Row = Mapping[str, Any]


@dataclass
class Group:
    """Transcripts of one language and region; everything but the names is a sum."""

    language: str
    region: str
    n_recordings: int = 0
    audio_s: float = 0.0
    speech_s: float = 0.0
    covered_s: float = 0.0
    n_words: int = 0
    log_confidence: float = 0.0  # log probability of each word's utterance

    @property
    def confidence(self) -> float | None:
        """Geometric mean of the tokens' probabilities, by words; None without words."""
        return math.exp(self.log_confidence / self.n_words) if self.n_words else None


@dataclass
class Content:
    """Of all transcripts of a run."""

    groups: dict[tuple[str, str], Group] = field(default_factory=dict)
    dropped_s: dict[str, float] = field(default_factory=lambda: defaultdict(float))  # by reason
    n_utterances: dict[str, int] = field(default_factory=lambda: defaultdict(int))  # by verdict

    def add(self, row: Row) -> None:
        """One row of ``transcripts``."""
        key = (row["language"], row["region"])
        group = self.groups.setdefault(key, Group(*key))
        group.n_recordings += 1
        group.audio_s += row["duration_s"]
        group.speech_s += row["coverage"]["speech_s"]
        group.covered_s += row["coverage"]["covered_s"]
        for dropped in row["coverage"]["dropped"]:
            self.dropped_s[dropped["reason"]] += dropped["end_s"] - dropped["start_s"]
        for utterance in row["utterances"]:
            self.n_utterances[utterance["verdict"]] += 1
            if Status.of(utterance["verdict"]) is not Status.REJECTED:
                group.n_words += len(utterance["words"])
                group.log_confidence += len(utterance["words"]) * utterance["avg_logprob"]

    def as_dict(self) -> dict[str, Any]:
        """For JSON; ``by_language`` is what later runs are compared with."""
        ordered = sorted(self.groups.values(), key=lambda group: -group.audio_s)
        return {
            "groups": [{**asdict(group), "confidence": group.confidence} for group in ordered],
            "dropped_s": _largest_first(self.dropped_s),
            "n_utterances": _largest_first(self.n_utterances),
            "by_language": _by_language(ordered),
        }


def content(rows: Iterable[Row]) -> Content:
    found = Content()
    for row in rows:
        found.add(row)
    return found


def _largest_first(values: Mapping[str, float]) -> dict[str, float]:
    return dict(sorted(values.items(), key=lambda item: -item[1]))


def _by_language(groups: Sequence[Group]) -> dict[str, dict[str, Any]]:
    sums: dict[str, Group] = {}
    for group in groups:
        total = sums.setdefault(group.language, Group(group.language, ""))
        for name in ("n_recordings", "audio_s", "speech_s", "covered_s", "n_words", "log_confidence"):
            setattr(total, name, getattr(total, name) + getattr(group, name))
    n_all = sum(total.n_recordings for total in sums.values())
    return {
        language: {
            "n_recordings": total.n_recordings,
            "share": total.n_recordings / n_all,
            "confidence": total.confidence,
            "covered_share": total.covered_s / total.speech_s if total.speech_s else None,
        }
        for language, total in sums.items()
    }


MEASURES = {
    "share": "share of recordings",
    "confidence": "confidence",
    "covered_share": "speech covered by words",
}


@dataclass(frozen=True)
class Drift:
    """One measure of one language, this run beside the runs before."""

    language: str
    measure: str
    now: float
    before: float  # mean
    spread: float  # standard deviation over the runs before and the chance of so few recordings
    n_runs: int

    @property
    def alarm(self) -> bool:
        difference = abs(self.now - self.before)
        return difference >= MIN_CHANGE and difference > MAX_SIGMAS * self.spread


def drift(now: Mapping[str, Row], before: Sequence[Mapping[str, Row]]) -> list[Drift]:
    """Of each language with MIN_RECORDINGS in this run and in MIN_RUNS runs before; alarms first.

    ``now`` and each of ``before``: ``by_language`` of a run. A language that is gone has a share of 0.
    """
    found = []
    for language in sorted({*now, *(name for run in before for name in run)}):
        of_now = now.get(language, {"n_recordings": 0, "share": 0.0})
        past = [
            run[language] for run in before if run.get(language, {}).get("n_recordings", 0) >= MIN_RECORDINGS
        ]
        if len(past) < MIN_RUNS or not now:
            continue
        n_now = max(1, of_now["n_recordings"])
        for measure, title in MEASURES.items():
            value = of_now.get(measure)
            values = [one[measure] for one in past if one[measure] is not None]
            enough = of_now["n_recordings"] >= MIN_RECORDINGS or measure == "share"
            if value is None or len(values) < MIN_RUNS or not enough:
                continue
            mean = statistics.fmean(values)
            n = sum(run["n_recordings"] for run in now.values()) if measure == "share" else n_now
            by_chance = math.sqrt(max(mean * (1 - mean), 0.0) / n)
            spread = math.hypot(statistics.stdev(values), by_chance if measure == "share" else 0.0)
            found.append(Drift(language, title, value, mean, max(spread, 1e-3), len(values)))
    return sorted(found, key=lambda one: not one.alarm)
