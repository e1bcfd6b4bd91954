"""Proves the invariants of the published tables, or names what breaks them.

    python -m jobs.check --output DIR [--input MANIFEST] [--conf YAML] [--set key=value]

Opens transcripts, failures and runs as any consumer would and prints a line an invariant: how much was looked
at, how much is wrong, the first offenders. ``--input`` (the night's) also proves that every planned recording
is in exactly one table. Exit code 0 if all hold, 1 if one does not, 2 if there is nothing to check.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from jobs import cli
from jobs.night.sources import known_sources
from transcribe import config as configuration
from transcribe.config import Config
from transcribe.escape import printable
from transcribe.inputs import read
from transcribe.models.scope import Scope
from transcribe.storage.s3 import S3Options
from transcribe.tables.invariants import Check, check
from transcribe.tables.tables import Tables

N_SHOWN = 5


@dataclass(frozen=True)
class Findings:
    """All invariants that were checked."""

    checks: list[Check]

    @property
    def exit_code(self) -> int:
        return 1 if any(one.offenders for one in self.checks) else 0

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        width = max(len(one.name) for one in self.checks)
        for one in self.checks:
            n_bad = len(one.offenders)
            state = "FAIL" if n_bad else "ok"
            yield f"{state:4}  {one.name:{width}}  {one.n_checked:7} checked  {n_bad:5} wrong"
            yield from (f"        {printable(offender)}" for offender in one.offenders[:N_SHOWN])
            if n_bad > N_SHOWN:
                yield f"        … and {n_bad - N_SHOWN} more"


def run(output: str, *, input: str | None = None, config: Config | None = None) -> Findings:
    """Check the tables under ``output``. Raises ``ConfigError`` where there are none."""
    config = config or Config()
    s3 = S3Options.of(config.storage)
    planned_ids, tables = None, cli.published(output, config)
    if input is not None:
        inputs = read.read(input, config, s3, scope=Scope.of(config, output))
        planned_ids = {*inputs.recordings, *inputs.unplannable} - _not_taken(inputs, tables, config)
    return Findings(check(tables, planned_ids))


def _not_taken(inputs: read.Inputs, tables: Tables, config: Config) -> set[str]:
    """Return recordings that no run takes, as their files are known under other ids."""
    ids = inputs.recordings.keys()
    new = ids - {
        row["recording_id"]
        for table in (tables.transcripts, tables.failures)
        for row in table.rows(["recording_id"], ids).to_pylist()
    }
    covered, elsewhere = known_sources(new, inputs, tables, config.job.take_published_sources)
    return {*covered, *elsewhere}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = cli.parser(__doc__ or "")
    parser.add_argument("--input", help="what was planned: as for the nightly job")
    parser.add_argument("--region", help="of recordings that name none")
    options = parser.parse_args(arguments)
    given = [f"job.region={options.region}"] if options.region else []
    return cli.run_job(
        lambda: run(
            options.output,
            input=options.input,
            config=configuration.load(options.conf, [*options.set, *given]),
        )
    )


if __name__ == "__main__":
    sys.exit(main())
