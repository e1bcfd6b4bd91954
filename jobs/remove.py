"""Takes recordings out of the published tables, for good: no later run takes them again.

    python -m jobs.remove --output DIR --reason WHY (--ids ID … | --where SQL | --date D …) [--now]
        [--conf YAML] [--set key=value]
    python -m jobs.remove --output DIR --take-again --ids ID …

Their rows are gone at once from all tables below the folder; old files and logs hold them until those are
maintained. With ``--now`` no file below the folder names them any more, pages and evaluations included.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

if not __package__:  # started as a file: the checkout's packages, not this folder's modules
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from pyspark.sql import SparkSession

from jobs import cli, selection, session
from jobs.selection import Selection
from transcribe import config as configuration
from transcribe.config import Config
from transcribe.errors import ConfigError
from transcribe.models.scope import Scope
from transcribe.storage.s3 import S3Options
from transcribe.tables.erase import Erased, Traces
from transcribe.tables.tables import Tables


@dataclass(frozen=True)
class Removed:
    """What was taken out."""

    n_recordings: int
    n_transcripts: int
    n_failures: int
    n_others: int  # rows of other tables below the folder: comparisons, evaluations, texts of runs
    erased: Erased | None  # None: old files and logs still hold them

    @property
    def exit_code(self) -> int:
        return 0

    def __str__(self) -> str:
        lines = [
            f"removed     {self.n_recordings} recordings: {self.n_transcripts} transcripts,"
            f" {self.n_failures} failures, {self.n_others} rows of other tables"
        ]
        n_absent = self.n_recordings - self.n_transcripts - self.n_failures
        if n_absent > 0:
            lines.append(f"absent      {n_absent} of them from both tables: removed before, or never taken")
        if self.erased:
            lines.append(
                f"erased      old files and logs of {self.erased.n_tables} tables,"
                f" {self.erased.n_files} pages and other files, {self.erased.n_lines} lines of JSON"
            )
        elif self.n_recordings:
            lines.append("left        in old files and logs until they are maintained; --now erases them")
        return "\n".join(lines)

    __repr__ = __str__


@dataclass(frozen=True)
class Allowed:
    """Recordings that may be taken again."""

    n_recordings: int

    @property
    def exit_code(self) -> int:
        return 0

    def __str__(self) -> str:
        return f"allowed     {self.n_recordings} recordings that were removed may be taken again"


def run(
    spark: SparkSession | None,
    which: Selection,
    *,
    output: str,
    reason: str,
    now: bool = False,
    force: bool = False,
    config: Config | None = None,
) -> Removed:
    """Remove the selected recordings from the tables under ``output``; ids need not be in any.

    ``now``: from all files, too, while no run is under way; ``force``: although files suggest that one is.
    ``spark`` None opens a session if there is more to select by than ids. Raises ``ConfigError`` before
    anything is removed, ``PublishError`` when a table cannot be changed: asked again, it goes on.
    """
    if not reason.strip():
        raise ConfigError("--reason", reason, "say in a few words why, without naming the recording")
    config = cli.for_region(config or Config(), which.region)
    tables = cli.published(output, config)
    ids = sorted(set(_ids(spark, which, tables, config)))
    traces = Traces(tables.root, tables.transcripts.s3, ids, tables.uris(ids))
    if now and not force and (written := traces.uncommitted()):
        remedy = f"{len(written)} new files are not committed, such as {written[0]}: wait for the run that"
        raise ConfigError("--now", True, f"{remedy} wrote them; --force if it was killed")
    if not ids:
        return Removed(0, 0, 0, 0, None)
    n_transcripts, n_failures = (
        table.rows(["recording_id"], ids).num_rows for table in (tables.transcripts, tables.failures)
    )
    tables.remove(ids, reason)
    n_others = traces.take_out()
    return Removed(len(ids), n_transcripts, n_failures, n_others, traces.erase() if now else None)


def take_again(ids: Sequence[str], *, output: str, config: Config | None = None) -> Allowed:
    """The next run that is given them takes these recordings as new ones."""
    config = config or Config()
    Scope.of(config, output)
    tables = Tables(output, S3Options.of(config.storage))
    return Allowed(tables.take_again(ids))


def _ids(spark: SparkSession | None, which: Selection, tables: Tables, config: Config) -> Sequence[str]:
    if which.only_ids:
        return which.ids
    session.check_environment(spark)
    rows = which.rows(spark or session.open(config), tables, ["recording_id"])
    return [row["recording_id"] for row in rows]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = cli.parser(__doc__ or "")
    selection.add_options(parser)
    parser.add_argument("--reason", default="", metavar="WHY", help="is kept, beside a hash of each id")
    parser.add_argument("--now", action="store_true", help="from all files, too; while no run is under way")
    parser.add_argument("--force", action="store_true", help="--now, though files of a killed run are there")
    parser.add_argument("--take-again", action="store_true", help="undo it: later runs may take these --ids")
    options = parser.parse_args(arguments)

    def answer() -> Removed | Allowed:
        config = configuration.load(options.conf, options.set)
        s3 = S3Options.of(config.storage)
        which = selection.of_options(options, s3)
        if not options.take_again:
            given = {"output": options.output, "reason": options.reason, "config": config}
            return run(None, which, now=options.now, force=options.force, **given)
        if not which.only_ids or options.reason or options.now or options.force:
            raise ConfigError("--take-again", True, "goes with --ids alone")
        return take_again(which.ids, output=options.output, config=config)

    return cli.run_job(answer)


if __name__ == "__main__":
    sys.exit(main())
