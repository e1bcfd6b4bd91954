"""Makes each service's files from the published tables: subtitles, JSON lines, words, Parquet without Delta.

    python -m jobs.deliver --output DIR [--date D …] [--service S …] [--region R] [--input MANIFEST] [--redo]
        [--take-over]

What each service gets is its ``deliver:`` in the services file (``services:`` in the settings). Without
``--date``: all dates of which anything has changed since the last delivery without one. Only what has changed
is written; what is gone from the tables is removed. ``--input`` (the night's) also names what was planned and
has not been transcribed yet. Needs no Spark. Exit code 0; 1 something is late or could not be delivered; 2
wrong settings.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date as date_type

from jobs import cli
from transcribe import config as configuration
from transcribe.config import Config
from transcribe.deliver import ledger
from transcribe.deliver.delivery import Delivered, Deliverer, Planned
from transcribe.deliver.profile import Profile
from transcribe.errors import ConfigError
from transcribe.escape import printable
from transcribe.inputs import read
from transcribe.models.registry import Registry
from transcribe.models.scope import Scope
from transcribe.storage.s3 import S3Options
from transcribe.tables.tables import Tables
from transcribe.types import Recording

N_LISTED = 20
"""Lines of a kind; all are in the manifests."""


@dataclass(frozen=True, repr=False)
class Deliveries:
    """What became of each folder."""

    folders: list[Delivered] = field(default_factory=list)

    @property
    def errors(self) -> list[str]:
        return [f"{_name(one)}: {one.error}" for one in self.folders if one.error]

    @property
    def late(self) -> list[str]:
        return [f"{_name(one)} {id_}: {why}" for one in self.folders for id_, why in one.late.items()]

    @property
    def failed(self) -> list[str]:
        return [f"{_name(one)} {id_}: {why}" for one in self.folders for id_, why in one.failed.items()]

    @property
    def exit_code(self) -> int:
        return 1 if self.errors or self.late else 0

    def __str__(self) -> str:
        return "\n".join(self._lines())

    __repr__ = __str__  # a notebook's last line

    def _lines(self) -> Iterator[str]:
        changed = [one for one in self.folders if one.is_changed]
        unchanged = len(self.folders) - len(changed) - len(self.errors)
        yield (
            f"{'deliveries':<11} {len(self.folders)} folders: {len(changed)} brought up to date, {unchanged}"
            f" unchanged, {len(self.errors)} not delivered; {len(self.late)} recordings late,"
            f" {len(self.failed)} failed for good"
        )
        done = [
            f"{_name(one)}: {one.n_recordings} recordings, {one.n_written} files written,"
            f" {one.n_removed} removed: {one.folder}"
            for one in changed
        ]
        kinds = {"delivered": done, "error": self.errors, "late": self.late, "failed": self.failed}
        for kind, lines in kinds.items():
            yield from (f"{kind:<11} {printable(line, 500)}" for line in lines[:N_LISTED])
            if len(lines) > N_LISTED:
                yield f"{'':<11} … and {len(lines) - N_LISTED} more"


def run(
    output: str,
    *,
    date: str | Sequence[str] = (),
    service: str | Sequence[str] = (),
    region: str | None = None,
    input: str | None = None,
    redo: bool = False,
    take_over: bool = False,
    config: Config | None = None,
) -> Deliveries:
    """Deliver from the tables under ``output``; ``date`` and ``service`` may be several, none is all.

    Raises ``ConfigError`` before anything is written, ``PublishError`` when the tables cannot be read. What
    cannot be written is in the answer, and keeps nothing else.
    """
    config = cli.for_region(config or Config(), region)
    s3 = S3Options.of(config.storage)
    dates = [_date(one) for one in _several(date)]
    registry = Registry.of(config)
    scope = Scope(registry, config, output)
    profiles = chosen(registry, config, _several(service))
    planned = [] if input is None else _planned(read.read(input, config, s3, scope=scope))
    return deliver(cli.published(output, config), profiles, dates, region, planned, redo, take_over)


def deliver(
    tables: Tables,
    profiles: Mapping[str, Profile],
    dates: Collection[str] = (),
    region: str | None = None,
    planned: Sequence[Planned] = (),
    redo: bool = False,
    take_over: bool = False,
) -> Deliveries:
    """To services with these profiles. Without ``dates``: all that have changed since this was last done."""
    current, removals = tables.transcripts.find(), tables.removals_version()
    deliverer = Deliverer(tables, current, profiles, region, redo, take_over)
    marks = {name: ledger.mark_of(tables, current, profile) for name, profile in profiles.items()}
    due = {
        name: set(dates) or ledger.due_dates(tables, name, mark, redo or take_over)
        for name, mark in marks.items()
    }
    done = Deliveries()
    for day in sorted(set().union(*due.values())):
        done.folders.extend(deliverer.deliver(day, [name for name in due if day in due[name]], planned))
    if not dates and region is None:
        undelivered = {one.service for one in done.folders if one.error}
        for name in marks.keys() - undelivered:
            ledger.set_mark(tables, name, marks[name])
    if tables.removals_version() != removals:  # somebody has removed recordings meanwhile
        again = deliver(tables, profiles, sorted(set().union(*due.values())), region)
        done.folders.extend(one for one in again.folders if one.is_changed or one.error)
    return done


def chosen(registry: Registry, config: Config, names: Sequence[str] = ()) -> Mapping[str, Profile]:
    """The services that are delivered to, or those of them that are named. Raises ``ConfigError``."""
    found = {name: one.deliver for name, one in registry.services.items() if one.deliver is not None}
    if not found:
        remedy = "no service there has a deliver:; name a file of services that says what each gets"
        raise ConfigError("services", config.services, remedy)
    for name in names:
        if name not in found:
            remedy = "is not delivered to" if name in registry.services else "is unknown"
            raise ConfigError("--service", name, f"{remedy}; those that are: {', '.join(found)}")
    return {name: profile for name, profile in found.items() if not names or name in names}


def _planned(inputs: read.Inputs) -> list[Planned]:
    """Also what no run could plan: a file that is not there."""
    rows: list[tuple[str, Recording | read.Unplannable]] = [
        *inputs.recordings.items(),
        *inputs.unplannable.items(),
    ]
    return [Planned(id_, one.region, one.service, one.date) for id_, one in rows]


def _several(given: str | Sequence[str]) -> Sequence[str]:
    return [given] if isinstance(given, str) else given


def _date(text: str) -> str:
    try:
        return date_type.fromisoformat(text).isoformat()
    except ValueError:
        raise ConfigError("--date", text, "write it as YYYY-MM-DD") from None


def _name(one: Delivered) -> str:
    return f"{one.service} {one.region} {one.date}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = cli.parser(__doc__ or "")
    parser.add_argument(
        "--date", action="append", default=[], help="YYYY-MM-DD; repeatable; default: changed"
    )
    parser.add_argument("--service", action="append", default=[], help="repeatable; default: all")
    parser.add_argument("--region", help="this one alone; also of recordings in --input that name none")
    parser.add_argument("--input", help="what was planned: as for the nightly job")
    parser.add_argument("--redo", action="store_true", help="write all files anew, also what has not changed")
    parser.add_argument(
        "--take-over", action="store_true", help="also folders that another output has delivered to"
    )
    options = parser.parse_args(arguments)
    given = [f"job.region={options.region}"] if options.region else []
    return cli.run_job(
        lambda: run(
            options.output,
            date=options.date,
            service=options.service,
            region=options.region,
            input=options.input,
            redo=options.redo,
            take_over=options.take_over,
            config=configuration.load(options.conf, [*options.set, *given]),
        )
    )


if __name__ == "__main__":
    sys.exit(main())
