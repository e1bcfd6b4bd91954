"""Takes recordings out of the published tables, for good: no later run takes them again.

    python -m jobs.remove --output DIR --reason WHY (--ids ID … | --where SQL | --date D …) [--plan] [--now]
        [--same-source] [--missing-ok] [--conf YAML] [--set key=value]
    python -m jobs.remove --output DIR --take-again --ids ID …

Their rows are gone at once from all tables below the folder. Pages, deliveries and old files hold them until
``jobs.maintain``, or ``--now``: then no file below the folder names them, nor what was removed before.
``--plan`` lists what would go and does nothing. An id that is nowhere is kept from later runs all the same,
but the exit code is 1 unless ``--missing-ok`` is given.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

if not __package__:  # started as a file: the checkout's packages, not this folder's modules
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from pyspark.sql import SparkSession

from jobs import cli, selection, session
from jobs.selection import Selection
from transcribe import config as configuration
from transcribe.config import Config
from transcribe.errors import ConfigError
from transcribe.escape import printable
from transcribe.models.scope import Scope
from transcribe.removal import places
from transcribe.removal.pages import shown
from transcribe.removal.rows import new_files, with_ids
from transcribe.removal.texts import names_one
from transcribe.removal.tree import Trace, Tree
from transcribe.storage.s3 import S3Options
from transcribe.tables import removed
from transcribe.tables.tables import Tables

N_LISTED = 5
"""Ids that are named to people."""


@dataclass(frozen=True)
class Removed:
    """What was taken out, or with ``only_planned`` what would be."""

    n_recordings: int
    n_transcripts: int = 0
    n_failures: int = 0
    n_others: int = 0  # rows of other tables below the folder: comparisons, evaluations, texts of runs
    erased: dict[str, int] | None = None  # kind of place → how many; None: they still hold them
    left: dict[str, int] | None = None  # the same, of a plan
    missing: list[str] = field(default_factory=list)  # ids that are nowhere, and were not removed before
    missing_ok: bool = False
    other_ids: list[str] = field(default_factory=list)  # of recordings of the same files, which stay
    only_planned: bool = False

    @property
    def exit_code(self) -> int:
        return 1 if self.missing and not self.missing_ok else 0

    def __str__(self) -> str:
        lines = [
            f"{'would go' if self.only_planned else 'removed':<11} {self.n_recordings} recordings:"
            f" {self.n_transcripts} transcripts, {self.n_failures} failures,"
            f" {self.n_others} rows of other tables"
        ]
        if self.missing:
            remedy = "" if self.missing_ok else "; check how they are written, or say --missing-ok"
            lines.append(f"nowhere     {_listed(self.missing)}: only kept from later runs{remedy}")
        if self.other_ids:
            remedy = "which stay; --same-source takes them, too"
            lines.append(f"same files  are published as {_listed(self.other_ids)}, {remedy}")
        lines += [f"{'with --now':<11} {n} {kind}" for kind, n in (self.left or {}).items()]
        lines += [f"{'erased':<11} {n} {kind}" for kind, n in (self.erased or {}).items()]
        if self.n_recordings and not self.only_planned and self.erased is None:
            left = "pages, deliveries and old files hold them until jobs.maintain; --now erases them"
            lines.append(f"left        {left}")
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
    plan_only: bool = False,
    same_source: bool = False,
    missing_ok: bool = False,
    config: Config | None = None,
) -> Removed:
    """Remove the selected recordings from the tables under ``output``.

    ``now``: from all files, too, while no run is under way; ``force``: although files suggest that one is.
    ``same_source``: also recordings of the same files under other ids. ``missing_ok``: an id that is
    nowhere is no bad answer. ``spark`` None opens a session if there is more to select by than
    ids. Raises ``ConfigError`` before anything is removed, ``PublishError`` when a table cannot be changed:
    run it again, and it goes on.
    """
    if not reason.strip() and not plan_only:
        raise ConfigError("--reason", reason, "say in a few words why, without naming the recording")
    config = cli.for_region(config or Config(), which.region)
    tables = cli.published(output, config)
    ids = set(_ids(spark, which, tables, config))
    others = _of_same_files(tables, ids)
    if same_source:
        ids, others = ids | others, set()
    sources = [one for some in tables.sources(ids).values() for one in some]
    selected = removed.of([*ids, *map(shown, ids)], sources)
    if names_one(reason, selected, by_any_word=True):
        raise ConfigError("--reason", "…", "it is kept, so it must not name a recording that is to go")
    tree = Tree(tables.root, tables.s3, admits=cli.admitted(config, output))
    if now and not (force or plan_only) and (written := new_files(tree)):
        remedy = f"{len(written)} new files are not committed, such as {written[0]}: wait for the run that"
        raise ConfigError("--now", True, f"{remedy} wrote them; --force if it was killed")
    every = selected.and_those(removed.at(tables.root, tables.s3))
    current = list(places.find(tree, every, places.ROWS))
    missing = _nowhere(ids, tables, tree, selected, current)
    n_transcripts, n_failures = (
        sum(one.n for one in current if one.where == table.uri)
        for table in (tables.transcripts, tables.failures)
    )
    found = Removed(
        len(ids),
        n_transcripts,
        n_failures,
        n_others=sum(one.n for one in current) - n_transcripts - n_failures,
        missing=missing,
        missing_ok=missing_ok,
        other_ids=sorted(others),
        only_planned=plan_only,
    )
    if plan_only:
        return replace(found, left=places.counted(places.find(tree, every, places.FILES)))
    if not ids:
        return found
    tables.remove(sorted(ids), reason)
    for table in with_ids(tree):
        table.change(None, ids, fence=True)
    places.counted(places.find(tree, every, places.ROWS), take_out=True)
    if not now:
        return found
    return replace(found, erased=places.counted(places.find(tree, every, places.FILES), take_out=True))


def _nowhere(
    ids: Collection[str], tables: Tables, tree: Tree, selected: removed.Removed, current: Sequence[Trace]
) -> list[str]:
    """Return the ids that no table and no file names, and that were not removed before."""
    before = removed.of_output(tables.root, tables.s3)
    left = {id_ for id_ in set(ids).difference(*(one.names for one in current)) if not before.has(id_)}
    if left:
        files = places.find(tree, selected, places.NAMED_FILES)
        names = {name for one in files for name in one.names}
        left = {id_ for id_ in left if names.isdisjoint({id_, shown(id_)})}
    return sorted(left)


def _of_same_files(tables: Tables, ids: Collection[str]) -> set[str]:
    """Return further ids under which the files of these recordings are published, or failed."""
    uris = [uri for some in tables.sources(ids).values() for uri, _ in some]
    return {id_ for some in tables.published_as(uris).values() for id_ in some} - set(ids)


def _listed(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - N_LISTED} more" if len(ids) > N_LISTED else ""
    return ", ".join(map(printable, ids[:N_LISTED])) + more


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
    parser.add_argument("--reason", default="", metavar="WHY", help="is kept, beside a digest of each id")
    parser.add_argument("--plan", action="store_true", help="say what would go, do nothing")
    parser.add_argument("--now", action="store_true", help="from all files, too; while no run is under way")
    parser.add_argument("--force", action="store_true", help="--now, though files of a killed run are there")
    parser.add_argument(
        "--same-source", action="store_true", help="also recordings of the same files under other ids"
    )
    parser.add_argument("--missing-ok", action="store_true", help="exit code 0 although an id is nowhere")
    parser.add_argument("--take-again", action="store_true", help="undo it: later runs may take these --ids")
    options = parser.parse_args(arguments)
    chosen = {name: getattr(options, name) for name in ("now", "force", "same_source", "missing_ok")}

    def answer() -> Removed | Allowed:
        config = configuration.load(options.conf, options.set)
        which = selection.of_options(options, S3Options.of(config.storage))
        if not options.take_again:
            given = {"output": options.output, "reason": options.reason, "plan_only": options.plan}
            return run(None, which, **given, **chosen, config=config)
        if not which.only_ids or options.reason or options.plan or any(chosen.values()):
            raise ConfigError("--take-again", True, "goes with --ids alone")
        return take_again(which.ids, output=options.output, config=config)

    return cli.run_job(answer)


if __name__ == "__main__":
    sys.exit(main())
