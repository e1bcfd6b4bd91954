"""The headers of what is to be done, read on the executors: lengths, and what nobody can read."""

from __future__ import annotations

from typing import Any

from jobs.night.plan import Plan
from jobs.night.progress import note
from jobs.night.run import Run
from jobs.night.stages import FEEDING_POOL
from jobs.spark.errors import SPARK_ERRORS, faults_told, is_crash, is_disconnection, telling_line
from jobs.spark.frames import small_frame
from jobs.spark.read import spark_schema
from udfs import rows
from udfs.rows import PAYLOAD, PROBED
from udfs.segment import probe_all

MAX_TRIES = 3


def read_headers(plan: Plan, run: Run) -> None:
    """Into ``duration_s`` and ``unreadable`` of the plan.

    A worker that dies meanwhile costs another try. If it dies again and again lengths stay unknown, which is
    said: the waves find out whose fault it is.
    """
    note(f"reading the headers of {len(plan.to_do)} recordings")
    for n_tries in range(1, MAX_TRIES + 1):
        try:
            probed = _probed(plan, run)
            break
        except SPARK_ERRORS as error:
            if not (is_crash(error) or is_disconnection(error)):
                raise
            if n_tries == MAX_TRIES:
                note(f"headers cannot be read ({telling_line(error)}): lengths are guessed")
                return
            note(f"reading headers failed ({telling_line(error)}); trying it again")
    for row in probed:
        if row.kind == "failure":
            plan.unreadable[row.recording_id] = rows.value(row)
            plan.duration_s.pop(row.recording_id, None)
        elif row.duration_s is not None:
            plan.duration_s[row.recording_id] = row.duration_s


def _probed(plan: Plan, run: Run) -> list[Any]:
    planned = [rows.of(one.recording) for one in plan.to_do.values()]
    n_tasks = min(len(planned), 2 * run.spark.sparkContext.defaultParallelism)
    with faults_told(), run.steps.step("reading headers", FEEDING_POOL):
        recordings = small_frame(run.spark, planned, PAYLOAD).repartition(n_tasks)
        return recordings.mapInPandas(probe_all(run.config, run.s3), spark_schema(PROBED)).collect()
