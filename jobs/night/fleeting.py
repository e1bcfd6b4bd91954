"""What failed for a reason that may pass within minutes is tried again in the same run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

from jobs.night.plan import Plan
from jobs.night.progress import note
from jobs.night.run import Run
from jobs.night.wave import WaveResult
from transcribe.errors import ClusterError, StorageError, failure
from transcribe.storage.files import stat
from transcribe.storage.s3 import OUTAGE_S
from transcribe.types import Failure, Recording

CODES = frozenset({"unreachable", "io_error", "changed"})
MAX_UNREACHABLE = 10
"""More that stay so to the end of a run are the store's fault, and get no failure rows."""
FIRST_PAUSE_S, MAX_PAUSE_S = 2.0, 30.0


class Fleeting:
    """Keeps such failures back until the other recordings of the run are done."""

    def __init__(self, run: Run, plan: Plan) -> None:
        self._run, self._plan = run, plan
        self._held: dict[str, Failure] = {}

    def hold_back(self, result: WaveResult) -> None:
        """Takes them out of a result."""
        for one in [one for one in result.failures if one.stage == "fetch" and one.error in CODES]:
            result.failures.remove(one)
            self._held[one.recording_id] = one

    def rounds(self) -> Iterator[list[Recording]]:
        """What to try now, as its source is now; ``hold_back`` what comes of it. A store that stays
        unreachable is asked for ``OUTAGE_S``, anything else is tried once more."""
        deadline, pause_s, is_first = time.monotonic() + OUTAGE_S, FIRST_PAUSE_S, True
        while self._held and time.monotonic() < deadline and (is_first or self._is_away()):
            is_first = False
            if self._is_away():
                note(f"the store does not answer ({len(self._held)} recordings): again in {pause_s:.0f} s")
                time.sleep(pause_s)
                pause_s = min(2 * pause_s, MAX_PAUSE_S)
            recordings = self._found_again()
            if recordings:
                note(f"trying {len(recordings)} recordings again that could not be fetched")
                yield recordings

    def rest(self) -> list[Failure]:
        """What has failed for good. Raises ``ClusterError`` if the store is to blame for it."""
        away = [one for one in self._held.values() if one.error == "unreachable"]
        if len(away) > MAX_UNREACHABLE:
            raise ClusterError(
                f"the store cannot be reached for {len(away)} recordings: {away[0].message}; run again"
            )
        return list(self._held.values())

    def _is_away(self) -> bool:
        return any(one.error == "unreachable" for one in self._held.values())

    def _found_again(self) -> list[Recording]:
        """Those whose source can be looked at, planned under its present version."""
        found: list[Recording] = []
        for id_ in list(self._held):
            planned = self._plan.to_do[id_]
            try:
                version = stat(planned.recording.uri, self._run.s3).version
            except StorageError as error:
                self._held[id_] = failure(id_, error, "fetch")
                if error.error == "unreachable":
                    return found  # the others would wait as long for the same answer
            else:
                del self._held[id_]
                recording = replace(planned.recording, source_version=version)
                self._plan.to_do[id_] = replace(planned, recording=recording)
                found.append(recording)
        return found
