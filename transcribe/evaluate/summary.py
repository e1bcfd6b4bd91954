"""Rows of an evaluation as figures by group, for people (text) and programs (JSON)."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from transcribe.evaluate.punctuation import Matches
from transcribe.evaluate.significance import interval
from transcribe.evaluate.timing import TimeErrors

Row = Mapping[str, Any]
Figures = dict[str, Any]
GROUPED_BY = ("language", "region", "service", "kind")
N_FREQUENT = 10


def summary(rows: Sequence[Row], measured: Sequence[Row]) -> dict[str, Any]:
    """system → {``speed``, ``groups``: group → figures, ``frequent``: kind of edit → the most frequent}."""
    failed = {row["recording_id"] for row in rows if row["error"]}
    n_systems = len({row["system"] for row in rows})
    return {
        system: {
            "speed": _speed(next((m for m in measured if m["system"] == system), None)),
            "groups": {
                name: figures(some)
                for name, some in _groups(
                    [row for row in rows if row["system"] == system], failed if n_systems > 1 else set()
                )
            },
            "frequent": _frequent([r for r in rows if r["system"] == system]),
        }
        for system in dict.fromkeys(row["system"] for row in rows)
    }


def _groups(rows: Sequence[Row], failed: Collection[str]) -> Iterator[tuple[str, list[Row]]]:
    """All but loose references together, these apart, then by each column that has more than one value.

    ``failed``: recordings that some of several systems failed on; the others are a group, too, since only
    there the systems have answered the same questions.
    """
    exact = [row for row in rows if not row["loose"]]
    yield "over all", exact
    if failed:
        yield "answered by all systems", [row for row in exact if row["recording_id"] not in failed]
    if len(exact) < len(rows):
        yield "loose references", [row for row in rows if row["loose"]]
    for column in GROUPED_BY:
        values = sorted({row[column] for row in exact if row[column]})
        if len(values) > 1:
            for value in values:
                yield f"{column} {value}", [row for row in exact if row[column] == value]


def figures(rows: Sequence[Row]) -> Figures:
    """Of one group and system; a rate is None where there is nothing to count."""
    scored = [row for row in rows if row["n_words"] is not None and not row["error"]]
    errors = [row["substitutions"] + row["deletions"] + row["insertions"] for row in scored]
    words = [row["n_words"] for row in scored]
    heard = [row for row in rows if row["language_found"] and row["language"]]
    silent_s = sum(row["speechless_s"] for row in rows)
    return {
        "n_recordings": len(rows),
        "n_scored": len(scored),
        "n_failed": sum(bool(row["error"]) for row in rows),
        "audio_s": sum(row["duration_s"] or 0.0 for row in rows),
        "wer": _rate(sum(errors), sum(words)),
        "wer_interval": interval(errors, words),
        "n_words": sum(words),
        **{name: sum(row[name] for row in scored) for name in ("substitutions", "deletions", "insertions")},
        "cer": _rate(sum(r["character_errors"] for r in scored), sum(r["n_characters"] for r in scored)),
        "digit_wer": _rate(sum(r["digit_errors"] for r in scored), sum(r["n_digits"] for r in scored)),
        "n_digits": sum(row["n_digits"] for row in scored),
        "cp_wer": _rate(
            sum(row["speaker_errors"] or 0 for row in scored),
            sum(row["n_speaker_words"] or 0 for row in scored),
        ),
        "swapped_channel_errors": sum(row["swapped"] for row in scored),
        "punctuation_f1": _matches(scored, "marks").f1,
        "capitals_f1": _matches(scored, "capitals").f1,
        "language_right": _rate(sum(r["language_found"] == r["language"] for r in heard), len(heard)),
        "invented_words_an_hour": _rate(sum(r["n_invented"] for r in rows), silent_s / 3600),
        **_times(rows),
    }


def _rate(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _matches(rows: Sequence[Row], column: str) -> Matches:
    return sum((Matches(**row[column]) for row in rows), Matches())


def _times(rows: Sequence[Row]) -> Figures:
    starts = [error_s for row in rows for error_s in row["start_errors_s"]]
    ends = [error_s for row in rows for error_s in row["end_errors_s"]]
    found = TimeErrors(tuple(starts), tuple(ends), sum(row["n_timed_words"] for row in rows)).summary()
    return {
        "word_start_p90_ms": 1000 * statistics.quantiles(starts, n=10)[-1] if len(starts) > 1 else None,
        **{f"word_{name}": value for name, value in found.items()},
    }


def _speed(measured: Row | None) -> Figures:
    if measured is None:
        return {}
    audio_h = measured["audio_s"] / 3600
    return {
        "rtfx": _rate(measured["audio_s"], measured["wall_s"]),
        "core_s_an_audio_hour": _rate(measured["core_s"], audio_h),
        "gpu_s_an_audio_hour": _rate(measured["gpu_s"], audio_h),
        "load_s": measured["load_s"],
        "cost_an_audio_hour": _rate(measured["cost"], audio_h),
        "currency": measured["currency"],
        "place": measured["place"],
    }


def _frequent(rows: Sequence[Row]) -> dict[str, list[tuple[str, int]]]:
    counts: dict[str, Counter[str]] = {kind: Counter() for kind in ("substitution", "deletion", "insertion")}
    for row in rows:
        for edit in [] if row["loose"] else row["edits"]:
            sides = [edit["reference"], edit["hypothesis"]]
            counts[edit["kind"]][" → ".join(side for side in sides if side)] += 1
    return {kind: found.most_common(N_FREQUENT) for kind, found in counts.items()}


def _share(value: float) -> str:
    return f"{value:.4f}"


COLUMNS: dict[str, tuple[str, Callable[[float], str]]] = {
    "wer": ("WER", _share),
    "cer": ("CER", _share),
    "digit_wer": ("digits", _share),
    "cp_wer": ("cpWER", _share),
    "punctuation_f1": ("punct.", lambda v: f"{v:.2f}"),
    "capitals_f1": ("caps", lambda v: f"{v:.2f}"),
    "language_right": ("lang.", lambda v: f"{v:.2f}"),
    "word_start_median_ms": ("start ms", lambda v: f"{v:.0f}"),
    "invented_words_an_hour": ("inv./h", lambda v: f"{v:.1f}"),
}


def as_text(found: Mapping[str, Any]) -> str:
    """A table a system, without columns in which there is nothing, then its most frequent errors."""
    lines: list[str] = []
    for system, of_system in found.items():
        lines += ["", f"{system}: {_speed_line(of_system['speed'])}".rstrip(": ")]
        groups = of_system["groups"]
        keys = [key for key in COLUMNS if any(values[key] is not None for values in groups.values())]
        head = ["", "rec.", "failed", "words", "95 %", "S/D/I", *(COLUMNS[key][0] for key in keys)]
        table = [head, *(_line(name, values, keys) for name, values in groups.items())]
        widths = [max(len(row[i]) for row in table) for i in range(len(head))]
        lines += [
            "  ".join(
                cell.ljust(w) if not i else cell.rjust(w)
                for i, (cell, w) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in table
        ]
        for kind, edits in of_system["frequent"].items():
            if edits:
                lines.append(f"{kind}s: " + ", ".join(f"{edit} ({n})" for edit, n in edits))
    return "\n".join(lines[1:])


def _line(name: str, values: Figures, keys: Sequence[str]) -> list[str]:
    low_high = values["wer_interval"]
    return [
        name,
        str(values["n_recordings"]),
        str(values["n_failed"]),
        str(values["n_words"]),
        f"{low_high[0]:.3f}-{low_high[1]:.3f}" if low_high else "",
        "/".join(str(values[kind]) for kind in ("substitutions", "deletions", "insertions")),
        *("" if values[key] is None else COLUMNS[key][1](values[key]) for key in keys),
    ]


def _speed_line(speed: Figures) -> str:
    if not speed or not speed["rtfx"]:
        return ""
    return (
        f"RTFx {speed['rtfx']:.1f} ({speed['place']}), {speed['core_s_an_audio_hour']:.0f} core s and"
        f" {speed['gpu_s_an_audio_hour']:.0f} GPU s an audio hour, models loaded in {speed['load_s']:.1f} s,"
        f" {speed['cost_an_audio_hour']:.4f} {speed['currency']} an audio hour"
    )
