"""The plan for people: what there is to do, why, with which models, and how long it may take."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

from jobs.night.plan import Plan
from transcribe.escape import printable
from transcribe.tables.current import Decision

N_LISTED = 20
"""Recordings, groups or kinds that are named to people; the tables name all."""


def describe(plan: Plan, past_rtfx: float, n_past_runs: int, max_redo_share: float) -> str:
    """Counts by reason, which add up to what was planned; hours, an estimate, groups, and what is unreadable.

    ``past_rtfx`` of the last ``n_past_runs`` runs; both 0 where nothing was ever published.
    """
    readable = {id_: one for id_, one in plan.to_do.items() if id_ not in plan.unreadable}
    reasons = Counter(one.decision.reason for one in readable.values())
    unreadable = [*plan.unreadable.values(), *(one.failure for one in plan.unplannable.values())]
    changes = _in_words(Counter(one.decision.change for one in readable.values() if one.decision.change))
    counts = [
        ("planned", plan.n_planned, "recordings"),
        ("new", reasons["new"], "not seen before"),
        ("retried", reasons["retried"], "failed before, may succeed now"),
        ("source", reasons["source"], "the file has changed"),
        ("settings", reasons["settings"], "settings or hints have changed that can change the text"),
        ("model", reasons["model"], changes or "of the language, region and service"),
        (
            "relabelled",
            len(plan.relabel),
            "only region, service, speakers, date or pin change: not transcribed",
        ),
        ("done", len(plan.done), "current" + (f"; {len(plan.pinned)} pinned" if plan.pinned else "")),
        ("given up", len(plan.given_up), given_up_in_words(plan) or "failed before, nothing changed since"),
        ("unreadable", len(unreadable), ""),
    ]
    if plan.removed:
        counts.append(("removed", len(plan.removed), "by jobs.remove, not taken again"))
    if plan.elsewhere:
        counts.append(("other id", len(plan.elsewhere), "their source is published under another id"))
    lines = [f"{name:<11} {n:6d}  {meaning}".rstrip() for name, n, meaning in counts]
    lines.append(_work(plan, len(readable.keys() - plan.duration_s.keys()), past_rtfx, n_past_runs))
    if plan.redoes_too_much(max_redo_share):
        lines.append(f"stops       {redo_in_words(plan)}: --redo allows it (job.max_redo_share)")
    lines += _groups(plan)
    lines += map(printable, plan.notes)
    lines += _first(f"unreadable: {printable(f.recording_id)}: {printable(f.message)}" for f in unreadable)
    return "\n".join(lines)


def redo_in_words(plan: Plan) -> str:
    """Of what is published, how much would be done again, and why."""
    redone = plan.redone
    hours = sum(plan.duration_s.get(id_, 0.0) for id_ in redone) / 3600
    why = _in_words(Counter(map(_reason, redone.values())))
    return (
        f"{len(redone)} of {plan.n_in_tables} published recordings ({hours:.1f} h) would be done again: {why}"
    )


def given_up_in_words(plan: Plan) -> str:
    """The errors for which recordings are not tried again, most frequent first."""
    return _in_words(Counter(plan.given_up.values()))


def _reason(decision: Decision) -> str:
    return " ".join(filter(None, (decision.reason, decision.change)))


def _in_words(counts: Counter[str]) -> str:
    return ", ".join(f"{n} {printable(what)}" for what, n in counts.most_common(N_LISTED))


def _work(plan: Plan, n_unknown: int, rtfx: float, n_runs: int) -> str:
    hours = f"to do       {plan.audio_s / 3600:10.3f} audio hours"
    if n_unknown:
        hours += f" and {n_unknown} recordings of unknown length"
    if not plan.to_do:
        return hours
    if not rtfx:
        return f"{hours}; the time is unknown: no run has published anything yet"
    minutes = plan.audio_s / rtfx / 60
    return f"{hours}; about {minutes:.0f} min at RTFx {rtfx:.1f}, as the last {n_runs} runs"


def _groups(plan: Plan) -> Iterator[str]:
    """To do by language hint, region and model."""
    seconds: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for id_, one in plan.to_do.items():
        if id_ in plan.unreadable:
            continue
        language = "(identify)" if one.is_open else one.recording.language or ""
        model = next(iter(one.models)) if len(one.models) == 1 else "(by language)"
        group = language, printable(one.recording.region), model
        seconds[group].append(plan.duration_s.get(id_, 0.0))
    return _first(
        f"{language:<12} {region:<14} {model:<14} {len(each):6d} recordings {sum(each) / 3600:10.3f} h"
        for (language, region, model), each in sorted(seconds.items())
    )


def _first(lines: Iterable[str]) -> Iterator[str]:
    """Indented; of many, so many as are worth reading."""
    every = list(lines)
    yield from (f"  {line}" for line in every[:N_LISTED])
    if len(every) > N_LISTED:
        yield f"  … and {len(every) - N_LISTED} more"
