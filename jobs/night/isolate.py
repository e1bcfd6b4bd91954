"""Some waves at a time: one is decoded while others are prepared and published. One that Spark gives up on
is tried in halves, until what kills its worker is alone; what is the cluster's fault is no recording's."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from threading import Lock

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
from transcribe.errors import ClusterError, PublishError
from transcribe.types import Failure, Recording

MAX_CULPRITS = 10
"""So many recordings of one run that each bring Spark down are not to blame: the cluster is. Those that did
so on earlier nights don't count: they say nothing new."""

MAX_DISCONNECTIONS = 3
"""In a row, of one wave: then it does not pass by itself."""

AT_ONCE = 3
"""Waves: one is decoded, one is ready to be when GPUs fall idle, one is published or prepared."""

GIVING_UP_S = 0.2

Recordings = Sequence[Recording]
Begun = dict[Future[WaveResult], tuple[str, Recordings]]


class Isolation:
    """Runs the waves of one run and remembers how many recordings had to be put aside.

    ``suspects``: ids of recordings that brought Spark down before.
    """

    def __init__(self, run: Run, suspects: Collection[str] = ()) -> None:
        self._run, self._suspects = run, suspects
        self.late: list[WaveResult] = []  # of waves that ended when the run had been given up
        self._n_culprits = 0
        self._lost: ClusterError | PublishError | None = None
        self._publishing = Lock()  # one after another: each is to be later than the one before

    def run(self, waves: Iterable[tuple[str, Recordings]]) -> Iterator[WaveResult]:
        """Yields a result a published part; ``waves`` are numbers with recordings, parts of 3 are 3a, 3ba…

        Suspects are alone in their waves and run without company. Raises ``ModelError``, ``PublishError`` or
        ``ClusterError`` when going on makes no sense.
        """
        threads = ThreadPoolExecutor(AT_ONCE, "wave")
        begun: Begun = {}
        try:
            for number, recordings in waves:
                if self._suspects and recordings[0].recording_id in self._suspects:
                    yield from self._results(begun, 0)
                    yield from self._try(recordings, number, 1)
                    continue
                begun[threads.submit(self._once, recordings, number)] = number, recordings
                yield from self._results(begun, AT_ONCE - 1)
            yield from self._results(begun, 0)
        except BaseException:
            self._give_up(begun)
            raise
        finally:
            threads.shutdown()

    def _results(self, begun: Begun, n_left: int) -> Iterator[WaveResult]:
        """Of waves as they end, until so many are left."""
        while len(begun) > n_left:
            future = wait(begun, return_when=FIRST_COMPLETED).done.pop()
            number, recordings = begun.pop(future)
            try:
                result = future.result()
            except SPARK_ERRORS as error:
                yield from self._again(recordings, number, error, company=begun)
            else:
                yield result

    def _give_up(self, begun: Begun) -> None:
        """What Spark does for them ends, also what a thread asks for when its driver's part is done."""
        going_on = {future for future in begun if not future.cancel()}
        while going_on:
            with unhindered():
                self._run.spark.sparkContext.cancelAllJobs()
            going_on = wait(going_on, GIVING_UP_S).not_done
        ended = (future for future in begun if not future.cancelled() and not future.exception())
        self.late += [future.result() for future in ended]

    def _once(self, recordings: Recordings, number: str) -> WaveResult:
        wave = Wave(self._run, recordings, number)
        try:
            with faults_told():
                wave.prepare()
                wave.decode()
            with self._publishing:
                return self._published(wave)
        finally:
            wave.drop()

    def _published(self, wave: Wave) -> WaveResult:
        """Or what kept an earlier one from it: a store that is away would be waited for once more."""
        if self._lost:
            raise self._lost
        try:
            with faults_told():
                return wave.publish()
        except (ClusterError, PublishError) as error:
            self._lost = error
            raise

    def _try(self, recordings: Recordings, number: str, n_tries: int) -> Iterator[WaveResult]:
        try:
            result = self._once(recordings, number)
        except SPARK_ERRORS as error:
            yield from self._again(recordings, number, error, n_tries)
        else:
            yield result

    def _again(
        self,
        recordings: Recordings,
        number: str,
        error: Exception,
        n_tries: int = 1,
        company: Collection[Future[WaveResult]] = (),
    ) -> Iterator[WaveResult]:
        """What comes of recordings that Spark has just given up on, for the ``n_tries``-th time; ``company``
        ends before they are tried again."""
        hangs = self._run.steps.has_given_up(number)
        self._check(error, hangs)
        wait(company)
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
