"""A night by Airflow 3: one task a region, each a spark-submit that goes on where a killed one stopped."""

from __future__ import annotations

from datetime import timedelta

import pendulum
from airflow.sdk import dag, task

HOME = "/srv/spark-transcribe"
INPUT, OUTPUT = "s3://calls/{region}/incoming/", "s3://warehouse/calls/{region}"
REGIONS = ("eu", "us")


@dag(
    schedule="0 1 * * *",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,  # a night takes whatever is new, of any date
    max_active_runs=1,  # two runs on one table do the same work twice
    default_args={"retries": 2, "retry_delay": timedelta(minutes=10)},
)
def transcription() -> None:
    @task.bash(skip_on_exit_code=None, cwd=HOME)
    def night(region: str) -> str:
        """Exit code 1 (a bad night) and 2 (wrong settings) fail the task; what was published stays."""
        submit = "scripts/submit jobs/nightly.py --conf conf/nightly.yaml"
        places = f"--input {INPUT.format(region=region)} --output {OUTPUT.format(region=region)}"
        return f". .venv/bin/activate && {submit} {places} --region {region}"

    night.expand(region=list(REGIONS))


transcription()
