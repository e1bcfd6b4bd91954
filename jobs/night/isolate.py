"""Wave after wave, each prepared while the one before it is decoded. One that Spark gives up on is tried in
halves, until the recording that kills its worker is alone; what is the cluster's fault is no recording's."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

from jobs.night.progress import note
from jobs.night.run import Run
from jobs.night.wave import Wave, WaveResult
from jobs.spark.errors import (
    SPARK_ERRORS,
    faults_told,
    is_cancelled,
    is_crash,
    is_disconnection,
    telling_line,
    unhindered,
)
from transcribe.errors import ClusterError
from transcribe.types import Failure, Recording

MAX_CULPRITS = 10
"""So many recordings of one run that each bring Spark down are not to blame: the cluster is. Those that did
so on earlier nights don't count: they say nothing new."""

MAX_DISCONNECTIONS = 3
"""In a row, of one wave: then it does not pass by itself."""

Recordings = Sequence[Recording]


class Isolation:
    """Runs the waves of one run and remembers how many recordings had to be put aside.

    ``suspects``: ids of recordings that brought Spark down before.
    """

    def __init__(self, run: Run, suspects: Collection[str] = ()) -> None:
        self._run, self._suspects = run, suspects
        self._n_culprits = 0

    def run(self, waves: Iterable[tuple[str, Recordings]]) -> Iterator[WaveResult]:
        """Yields a result a published part; ``waves`` are numbers with recordings, parts of 3 are 3a, 3ba…

        Raises ``ModelError``, ``PublishError`` or ``ClusterError`` when going on makes no sense.
        """
        ahead, to_come = ThreadPoolExecutor(1, "ahead"), iter(waves)
        prepared: list[tuple[str, Recordings, Wave, Future[None]]] = []

        def prepare_next() -> None:
            for number, recordings in islice(to_come, 1 - len(prepared)):
                wave = Wave(self._run, recordings, number)
                prepared.append((number, recordings, wave, ahead.submit(wave.prepare)))

        try:
            prepare_next()
            while prepared:
                number, recordings, wave, preparation = prepared.pop()
                try:
                    with faults_told():
                        preparation.result()
                        prepare_next()
                        result = wave.finish()
                except SPARK_ERRORS as error:
                    yield from self._again(recordings, number, error)
                else:
                    yield result
                finally:
                    wave.drop()
                prepare_next()
        except BaseException:
            with unhindered():
                self._run.spark.sparkContext.cancelAllJobs()
            raise
        finally:
            ahead.shutdown(cancel_futures=True)
            for *_, wave, _ in prepared:
                wave.drop()

    def _try(self, recordings: Recordings, number: str, n_tries: int) -> Iterator[WaveResult]:
        wave = Wave(self._run, recordings, number)
        try:
            with faults_told():
                wave.prepare()
                result = wave.finish()
        except SPARK_ERRORS as error:
            yield from self._again(recordings, number, error, n_tries)
        else:
            yield result
        finally:
            wave.drop()

    def _again(
        self, recordings: Recordings, number: str, error: Exception, n_tries: int = 1
    ) -> Iterator[WaveResult]:
        """What comes of recordings that Spark has just given up on, for the ``n_tries``-th time."""
        hangs = self._run.steps.has_given_up(number)
        self._check(error, hangs)
        if is_disconnection(error):
            if n_tries == MAX_DISCONNECTIONS:
                raise ClusterError(f"Spark loses its Python workers again and again: {telling_line(error)}")
            note(f"wave {number} failed ({telling_line(error)}); trying it again")
            yield from self._try(recordings, number, n_tries + 1)
        elif len(recordings) > 1:
            note(f"wave {number} failed ({telling_line(error)}); trying its halves")
            middle = len(recordings) // 2
            yield from self._try(recordings[:middle], f"{number}a", 1)
            yield from self._try(recordings[middle:], f"{number}b", 1)
        elif n_tries == 1 and recordings[0].recording_id not in self._suspects:
            note(f"{recordings[0].recording_id} failed alone ({telling_line(error)}); trying it once more")
            yield from self._try(recordings, number, n_tries + 1)
        else:
            yield WaveResult(failures=[self._put_aside(recordings[0], error, hangs)])

    def _check(self, error: Exception, hangs: bool) -> None:
        """Raise if no recording can be to blame."""
        if is_cancelled(error) and not hangs:
            raise error
        with unhindered():
            if not self._run.spark.sparkContext._jsc.sc().isStopped():
                return
        raise ClusterError(f"Spark has stopped: {telling_line(error)}") from None

    def _put_aside(self, recording: Recording, error: Exception, hangs: bool) -> Failure:
        self._n_culprits += recording.recording_id not in self._suspects
        if self._n_culprits > MAX_CULPRITS:
            raise ClusterError(
                f"{self._n_culprits} recordings failed their tasks one by one: {telling_line(error)}; "
                "look at the executors' logs, then run again"
            ) from None
        code, message = "unexpected_error", telling_line(error)
        next_step = "report it with this message; it is run again"
        if hangs:
            code, message = "worker_hangs", f"no task ended within job.stalled_limit_s: {message}"
            next_step = "look at the file and at the executor's log; it is run again"
        elif is_crash(error):
            code = "worker_crashed"
            next_step = "look at the executor's log: it may need more memory; it is run again"
        return Failure(recording.recording_id, "worker", code, message, next_step, True)
