"""Recordings to transcripts, many at a time and without Spark: the shortest way to read what the job does.

    segment ─▶ (identify) ─▶ assign ─▶ decode ─▶ merge

``jobs/night/wave.py`` runs the same functions spread over a cluster; the transcripts are the same.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, fields
from functools import partial

from transcribe import text
from transcribe.config import Config
from transcribe.decoding.assign import Assignment, Place, assign, voters
from transcribe.decoding.contradiction import checked
from transcribe.decoding.decoder import Decoder, Job
from transcribe.decoding.gathering import each, gathered
from transcribe.decoding.listen import jobs_of, listen
from transcribe.engines.base import Device, Engine, identifier
from transcribe.engines.cache import EngineCache
from transcribe.engines.loading import choose_device
from transcribe.errors import ClusterError, failure
from transcribe.models.registry import ModelEntry, Registry
from transcribe.parallel import Lost, ahead, spread
from transcribe.speech.spool import Spool
from transcribe.storage.files import local_copy
from transcribe.storage.s3 import S3Options
from transcribe.transcript.merge import merge
from transcribe.types import Chunk, Decoded, Failure, Recording, Stretch, Transcript, Vote
from transcribe.verdicts import Status

MAX_LOST = 10
"""So many recordings that each kill their process are not to blame: the machine is."""


@dataclass(frozen=True)
class Progress:
    """What has been done; everything is a sum, over all processes."""

    n_done: int = 0  # recordings, failed ones too
    n_failed: int = 0
    audio_s: float = 0.0  # of transcribed recordings, a long one's as far as it is decoded
    n_chunks: int = 0
    n_repaired: int = 0
    n_rejected: int = 0
    chunk_s: float = 0.0  # audio of decoded chunks
    encoded_s: float = 0.0  # audio that encoders saw, padding and second tries included
    load_s: float = 0.0  # spent on loading models

    def __add__(self, other: Progress) -> Progress:
        return Progress(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


Tell = Callable[[Progress], None]


def transcribe(
    recordings: Iterable[Recording],
    config: Config,
    registry: Registry,
    *,
    s3: S3Options = S3Options(),  # noqa: B008  it is frozen
    processes: int = 1,
    engines: EngineCache | None = None,
    on_progress: Tell = lambda _: None,
) -> Iterator[Transcript | Failure]:
    """A transcript or a failure for each recording as soon as it is done: in their order, or, with several
    ``processes``, in the order in which these are ready.

    Chunks of all recordings share the engines' batches, and nothing shows in the transcripts: they are equal
    to the last digit whatever else is transcribed, in whatever order and by however many processes. A process
    holds about 20 minutes of speech in memory; what is more waits in temporary files.

    ``engines`` are kept loaded from one call to the next; without, they are closed at the end. Several
    processes are new ones, which get it pickled and share the machine's cores; all recordings are listed
    first, and one that kills its process is a failure. ``on_progress`` gets the sums whenever they grow.

    Raises ``ModelError`` when weights are missing, ``ClusterError`` when processes die and no recording is
    to blame.
    """
    total = Progress()

    def tell(more: Progress) -> None:
        nonlocal total
        total += more
        on_progress(total)

    device = choose_device(config, max(1, (os.cpu_count() or 1) // processes))
    cache = engines or EngineCache()
    work = partial(_run, config=config, registry=registry, s3=s3, engines=cache, device=device)
    if processes == 1:
        try:
            yield from work(recordings, tell)
        finally:
            if engines is None:
                cache.close()
        return
    n_lost = 0
    for outcome in spread(list(recordings), work, processes, tell):
        if isinstance(outcome, Lost):
            n_lost += 1
            tell(Progress(n_done=1, n_failed=1))
            yield _failure(outcome, n_lost)
        else:
            yield outcome


def _failure(lost: Lost[Recording], n_lost: int) -> Failure:
    code = lost.exit_code or 0
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    if n_lost > MAX_LOST:
        raise ClusterError(f"{n_lost} recordings killed their process, the last by {how}: is memory short?")
    return Failure(
        lost.item.recording_id,
        "worker",
        "worker_crashed",
        f"its process was ended by {how}",
        "its decoder may crash, or need more memory: try it alone, or with fewer processes",
        True,
    )


@dataclass
class _Open:
    """A segmented recording, and what has become of it so far."""

    recording: Recording
    spool: Spool
    votes: dict[Place, Vote] = field(default_factory=dict)
    assignment: Assignment | None = None
    decoded: list[Decoded] = field(default_factory=list)
    n_decoded: int = 0  # chunks
    failure: Failure | None = None

    @property
    def is_done(self) -> bool:
        return self.failure is not None or self.n_decoded == len(self.spool.chunks)

    def fail(self, error: Exception, stage: str) -> None:
        self.failure = failure(self.recording.recording_id, error, stage)


@dataclass(frozen=True)
class _Task:
    """A chunk to hand to an engine."""

    of: _Open
    chunk: Chunk
    languages: tuple[Stretch, ...] = ()

    @property
    def job(self) -> Job:
        """To be identified."""
        return Job(self.chunk, self.of.spool.pcm(self.chunk), None)

    def jobs(self, config: Config) -> list[Job]:
        """To be decoded."""
        return jobs_of(self.chunk, self.of.spool.pcm(self.chunk), self.languages, config)


@dataclass(frozen=True)
class _Stages:
    """What one process does with recordings."""

    config: Config
    registry: Registry
    s3: S3Options
    engines: EngineCache
    device: Device
    tell: Tell

    def segment(self, recording: Recording) -> _Open | Failure:
        try:
            with local_copy(recording.uri, self.s3) as path:
                return _Open(recording, Spool(recording, path, self.config))
        except Exception as error:  # whatever a file does to its decoder, the others go on
            return failure(recording.recording_id, error, "segment")

    def finish(self, window: Sequence[_Open | Failure]) -> Iterator[Transcript | Failure]:
        """The outcomes of some recordings, whose chunks are decoded together, one model after the other."""
        segmented = [one for one in window if isinstance(one, _Open)]
        self._identify(segmented)
        tasks: dict[str, list[_Task]] = {}
        entries: dict[str, ModelEntry] = {}
        for one in segmented:
            if assignment := self._assign(one):
                entries[assignment.entry.identity] = assignment.entry
                tasks.setdefault(assignment.entry.identity, []).extend(
                    _Task(one, chunk, assignment.stretches[chunk.channel, chunk.index])
                    for chunk in one.spool.chunks
                )
        waiting = deque(window)
        yield from self._outcomes(waiting)
        for identity in sorted(tasks):  # with other decode settings, a model comes right after itself
            for some in _gathered(tasks[identity]):
                self._decode(entries[identity], some)
                yield from self._outcomes(waiting)

    def _identify(self, segmented: Sequence[_Open]) -> None:
        """The votes of the chunks that have one."""
        ballots = [
            _Task(one, chunk)
            for one in segmented
            for chunk in voters(one.recording, one.spool.chunks, self.registry, self.config)
        ]
        if not ballots:
            return
        engine = identifier(self._engine(self.registry.get(self.config.language.model)))

        def identify(jobs: Sequence[Job]) -> list[Vote]:
            return listen(jobs, engine, self.config)

        for some in _gathered(ballots):
            found = each(identify, [task.job for task in some])
            for task, vote in zip(some, found, strict=True):
                if isinstance(vote, Exception):
                    task.of.fail(vote, "transcribe")
                else:
                    task.of.votes[task.chunk.channel, task.chunk.index] = vote

    def _assign(self, one: _Open) -> Assignment | None:
        if not one.failure:
            found = assign(one.recording, one.spool.chunks, one.votes, self.registry, self.config)
            if isinstance(found, Assignment):
                one.assignment = found
            else:
                one.failure = found
        return one.assignment

    def _decode(self, entry: ModelEntry, tasks: Sequence[_Task]) -> None:
        engine = self._engine(entry)
        before_s = engine.stats.encoded_s
        config = entry.applied_to(self.config)
        decoder = Decoder(engine, config, text.wants_candidates(config), entry.tells_languages)
        jobs = [(task, job) for task in tasks for job in task.jobs(self.config)]
        done = each(decoder.decode, [job for _, job in jobs])
        self.tell(Progress(encoded_s=engine.stats.encoded_s - before_s))
        parts_of: dict[int, list[Decoded]] = {id(task): [] for task in tasks}
        for (task, _), found in zip(jobs, done, strict=True):
            if isinstance(found, Exception):
                task.of.fail(found, "transcribe")
            else:
                parts_of[id(task)] += found
        for task, parts in zip(tasks, parts_of.values(), strict=True):
            if task.of.failure:
                continue
            task.of.n_decoded += 1
            task.of.decoded += parts
            status = [part.verdict.status for part in parts]
            self.tell(
                Progress(
                    audio_s=task.of.spool.duration_s * task.chunk.duration_s / task.of.spool.chunk_s,
                    n_chunks=1,
                    n_repaired=status.count(Status.REPAIRED),
                    n_rejected=status.count(Status.REJECTED),
                    chunk_s=task.chunk.duration_s,
                )
            )

    def _engine(self, entry: ModelEntry) -> Engine:
        engine, loaded = self.engines.get(entry, self.config, self.device)
        if loaded:
            self.tell(Progress(load_s=engine.stats.load_s))
        return engine

    def _outcomes(self, waiting: deque[_Open | Failure]) -> Iterator[Transcript | Failure]:
        """Of those at the head that are done."""
        while waiting and (isinstance(waiting[0], Failure) or waiting[0].is_done):
            one = waiting.popleft()
            outcome = one if isinstance(one, Failure) else self._outcome(one)
            self.tell(Progress(n_done=1, n_failed=isinstance(outcome, Failure)))
            yield outcome

    def _outcome(self, one: _Open) -> Transcript | Failure:
        one.spool.close()
        if one.failure:
            return one.failure
        assigned = one.assignment
        assert assigned is not None  # else it would have failed
        if not one.spool.chunks:
            self.tell(Progress(audio_s=one.spool.duration_s))
        try:
            steps = text.chain(one.recording.language, self.config)
            decoded, spoken = checked(one.decoded, assigned.votes, assigned.spoken, self.config.language)
            return merge(one.recording, one.spool.segmentation, text.apply(steps, decoded), spoken)
        except Exception as error:
            return failure(one.recording.recording_id, error, "merge")


def _run(
    recordings: Iterable[Recording],
    tell: Tell,
    *,
    config: Config,
    registry: Registry,
    s3: S3Options,
    engines: EngineCache,
    device: Device,
) -> Iterator[Transcript | Failure]:
    """An outcome a recording, in their order, all by this process."""
    stages = _Stages(config, registry, s3, engines, device, tell)
    with closing(ahead(stages.segment, recordings, device.threads)) as segmented:
        for window in gathered(segmented, seconds=_weight_s):
            yield from stages.finish(window)


def _weight_s(one: _Open | Failure) -> float:
    """Seconds of chunks; at least one, so that even silent recordings are not held back for long."""
    return max(1.0, one.spool.chunk_s) if isinstance(one, _Open) else 1.0


def _gathered(tasks: Iterable[_Task]) -> Iterator[list[_Task]]:
    """Without those of recordings that have failed meanwhile."""
    left = (task for task in tasks if not task.of.failure)
    return gathered(left, seconds=lambda task: task.chunk.duration_s)
