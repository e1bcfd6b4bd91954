"""What a run has to do: all recordings asked for, compared with the tables; and in which waves to do it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from transcribe.config import Config
from transcribe.inputs.read import Inputs, Unplannable
from transcribe.tables.current import MIN_REDONE, Decision, Rule, is_too_much
from transcribe.tables.tables import Tables
from transcribe.types import Failure, Recording

GUESSED_DURATION_S = 300.0
"""For packing waves, where a header does not tell."""

LONG_S = 2 * 3600.0
"""Finding the speech of a recording is one task: the others of its wave would wait for a longer one."""


@dataclass(frozen=True)
class ToDo:
    """A recording to transcribe, and why."""

    recording: Recording
    decision: Decision
    models: frozenset[str]  # that may transcribe it
    identifier: str | None  # the model that identifies its language or checks its hint, if one does
    is_open: bool = False  # does no hint decide what it is decoded in?


@dataclass
class Plan:
    """Every recording asked for is in exactly one of to_do, relabel, done, given_up, removed, elsewhere and
    unplannable."""

    to_do: dict[str, ToDo] = field(default_factory=dict)  # by id, in input order
    relabel: dict[str, Recording] = field(default_factory=dict)  # current but for its labels
    done: list[str] = field(default_factory=list)  # current transcript, nothing changed
    given_up: dict[str, str] = field(default_factory=dict)  # id → error: failed before, nothing changed
    pinned: list[str] = field(default_factory=list)  # of done and relabel: whatever the settings say
    removed: list[str] = field(default_factory=list)  # never to be taken again
    elsewhere: dict[str, str] = field(default_factory=dict)  # id → id under which its source is published
    left_behind: set[str] = field(default_factory=set)  # of removed: has a row all the same
    unplannable: dict[str, Unplannable] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)  # what of the input was left out, for people
    failed_before: set[str] = field(default_factory=set)  # have a row in failures
    stale_failures: set[str] = field(default_factory=set)  # of recordings that succeeded since
    suspects: set[str] = field(default_factory=set)  # of to_do: crashed their worker before
    duration_s: dict[str, float] = field(default_factory=dict)  # of to_do, where known
    unreadable: dict[str, Failure] = field(default_factory=dict)  # header cannot be read, of to_do
    n_in_tables: int = 0  # transcripts of any input, counted where it matters

    @property
    def n_planned(self) -> int:
        untried = len(self.relabel) + len(self.done) + len(self.given_up) + len(self.removed)
        untried += len(self.elsewhere)
        return len(self.to_do) + len(self.unplannable) + untried

    @property
    def audio_s(self) -> float:
        """Of what is to be done, as far as it is known."""
        return sum(self.duration_s.values())

    @property
    def redone(self) -> dict[str, Decision]:
        """Published recordings that are to be transcribed again."""
        return {id_: one.decision for id_, one in self.to_do.items() if one.decision.is_redo}

    def redoes_too_much(self, max_share: float) -> bool:
        return is_too_much(len(self.redone), self.n_in_tables, max_share)

    def leave_out_removed(self, ids: Iterable[str]) -> None:
        """Count these recordings as removed, whatever was planned for them."""
        for id_ in ids:
            for planned in (self.to_do, self.unplannable, self.unreadable, self.duration_s):
                planned.pop(id_, None)
            self.suspects.discard(id_)
            self.removed.append(id_)

    def limit(self, hours: float) -> None:
        """No more is begun once so much audio is to be done; a note says what is left for the next time."""
        failed = {failure.recording_id for failure in self.failed_early()}
        taken: dict[str, ToDo] = {}
        taken_s = left_s = 0.0
        for id_, one in self.to_do.items():
            duration_s = 0.0 if id_ in failed else self.duration_s.get(id_, GUESSED_DURATION_S)
            if taken_s < hours * 3600 or id_ in failed:
                taken[id_] = one
                taken_s += duration_s
            else:
                left_s += duration_s
        left = self.to_do.keys() - taken.keys()
        for id_ in left:
            self.duration_s.pop(id_, None)
            self.unreadable.pop(id_, None)
            self.suspects.discard(id_)
        self.to_do = taken
        if left:
            self.notes.append(f"left for the next time: {len(left)} recordings, {left_s / 3600:.3f} h")

    def failed_early(self) -> list[Failure]:
        """What has failed before any work: rows that cannot be planned, files that no run can read."""
        unreadable = [failure for failure in self.unreadable.values() if not failure.retryable]
        return [one.failure for one in self.unplannable.values()] + unreadable

    def waves(self, config: Config) -> Iterator[list[Recording]]:
        """What is worth doing, ``job.wave_audio_h`` at a time, recordings of the same models together (a
        wave's workers then load few) and else in input order; after that what is longer than ``LONG_S``;
        suspects last, each alone."""
        failed = {failure.recording_id for failure in self.failed_early()}
        ids = [id_ for id_ in self.to_do if id_ not in failed | self.suspects]
        groups = sorted({one.models for one in self.to_do.values()}, key=sorted)
        rank = {models: n for n, models in enumerate(groups)}
        ids.sort(key=lambda id_: rank[self.to_do[id_].models])
        long = {id_ for id_ in ids if self.duration_s.get(id_, 0.0) > LONG_S}
        longest_s = config.job.wave_audio_h * 3600
        yield from self._packed([id_ for id_ in ids if id_ not in long], longest_s)
        yield from self._packed([id_ for id_ in ids if id_ in long], longest_s)
        yield from ([self.to_do[id_].recording] for id_ in sorted(self.suspects - failed))

    def _packed(self, ids: Sequence[str], longest_s: float) -> Iterator[list[Recording]]:
        wave: list[Recording] = []
        wave_s = 0.0
        for id_ in ids:
            wave.append(self.to_do[id_].recording)
            wave_s += self.duration_s.get(id_, GUESSED_DURATION_S)
            if wave_s >= longest_s:
                yield wave
                wave, wave_s = [], 0.0
        if wave:
            yield wave


def make(inputs: Inputs, tables: Tables, rule: Rule) -> Plan:
    """Compare what is asked for with what the tables hold; writes nothing."""
    ids = [*inputs.recordings, *inputs.unplannable]
    transcripts = {row["recording_id"]: row for row in tables.current_transcripts(ids).to_pylist()}
    failures = {row["recording_id"]: row for row in tables.current_failures(ids).to_pylist()}
    gone = tables.all_removed()
    rows: dict[str, Recording | Unplannable] = {**inputs.recordings, **inputs.unplannable}
    removed = {id_ for id_, one in rows.items() if gone.covers(id_, one.uri)} if gone else set()
    unplannable = {id_: row for id_, row in inputs.unplannable.items() if id_ not in removed}
    plan = Plan(unplannable=unplannable, removed=sorted(removed), notes=inputs.notes())
    plan.left_behind = removed & (transcripts.keys() | failures.keys())
    plan.failed_before = set(failures)
    for id_, recording in inputs.recordings.items():
        if id_ in removed:
            continue
        transcript, failure = transcripts.get(id_), failures.get(id_)
        decision = rule.decide(recording, transcript, failure)
        if decision.action == "give_up":
            plan.given_up[id_] = failure["error"] if failure else ""
        elif decision.action == "transcribe":
            plan.to_do[id_] = ToDo(
                recording,
                decision,
                rule.possible_models(recording),
                rule.identifier(recording),
                not rule.is_hinted(recording),
            )
            if failure and failure["stage"] == "worker":
                plan.suspects.add(id_)
            if transcript:
                plan.duration_s[id_] = transcript["duration_s"]
        else:
            if decision.action == "relabel":
                plan.relabel[id_] = recording
            else:
                plan.done.append(id_)
            if transcript and transcript["pinned"]:
                plan.pinned.append(id_)
            if failure:
                plan.stale_failures.add(id_)
    if len(plan.redone) > MIN_REDONE:
        plan.n_in_tables = tables.transcripts.n_rows()
    return plan
