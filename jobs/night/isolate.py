"""A wave that Spark gives up on is tried in halves, until the recording that kills its worker is alone."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from jobs.night.progress import note
from jobs.night.run import Run
from jobs.night.wave import Wave, WaveResult
from jobs.spark.errors import SPARK_ERRORS, ends_the_run, is_cancelled, is_crash, telling_line
from transcribe.errors import ClusterError
from transcribe.types import Failure, Recording

MAX_CULPRITS = 10
"""So many recordings of one run that each bring Spark down are not to blame: the cluster is. Those that did
so on earlier nights don't count: they say nothing new."""


class Isolation:
    """Runs the waves of one run and remembers how many recordings had to be put aside.

    ``suspects``: ids of recordings that brought Spark down before.
    """

    def __init__(self, run: Run, suspects: Collection[str] = ()) -> None:
        self._run, self._suspects = run, suspects
        self._n_culprits = 0

    def run(self, recordings: Sequence[Recording], number: str) -> Iterator[WaveResult]:
        """Yields a result a published part; parts of wave 3 are 3a, 3b, 3ba…

        Raises ``ModelError``, ``PublishError`` or ``ClusterError`` when going on makes no sense.
        """
        try:
            result = Wave(self._run, recordings, number).run()
        except SPARK_ERRORS as error:
            self._check(error)
            if len(recordings) == 1:
                yield WaveResult(failures=[self._put_aside(recordings[0], error)])
                return
            note(f"wave {number} failed ({telling_line(error)}); trying its halves")
        else:
            yield result
            return
        middle = len(recordings) // 2
        yield from self.run(recordings[:middle], f"{number}a")
        yield from self.run(recordings[middle:], f"{number}b")

    def _check(self, error: Exception) -> None:
        """Raise if no recording can be to blame."""
        if is_cancelled(error):
            raise error
        ours = ends_the_run(error)
        if ours is not None:
            raise ours from None
        if self._run.spark.sparkContext._jsc.sc().isStopped():
            raise ClusterError(f"Spark has stopped: {telling_line(error)}") from None

    def _put_aside(self, recording: Recording, error: Exception) -> Failure:
        self._n_culprits += recording.recording_id not in self._suspects
        if self._n_culprits > MAX_CULPRITS:
            raise ClusterError(
                f"{self._n_culprits} recordings failed their tasks one by one: {telling_line(error)}; "
                "look at the executors' logs, then run again"
            ) from None
        code, next_step = "unexpected_error", "report it with this message; it is run again"
        if is_crash(error):
            code = "worker_crashed"
            next_step = "look at the executor's log: it may need more memory; it is run again"
        return Failure(recording.recording_id, "worker", code, telling_line(error), next_step, True)
