"""Keeps the published tables small and quick: merges files, deletes what nothing needs, ends dead failures.

    python -m jobs.maintain --output DIR [--retention-h HOURS] [--plan] [--conf YAML] [--set key=value]

Small files become large ones. Files that no version of the last HOURS needs go, and so do those that a dead
run has written and never committed. A failure ends that no run has seen for HOURS and whose source is gone.
What is left of removed recordings goes from all files below DIR, and what killed runs have left on this
machine. Runs may go on meanwhile. Starts no Spark; ``--plan`` only
says what would be done. Exit code 2 if there are no tables.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from jobs import cli
from jobs.spark import scratch
from transcribe import config as configuration
from transcribe.config import Config
from transcribe.removal import places
from transcribe.removal.tree import Tree
from transcribe.tables import removed
from transcribe.tables.upkeep import RETENTION_H, Maintained, maintain


@dataclass(frozen=True)
class Maintenance:
    """What was done, or with ``only_planned`` what would be."""

    tables: list[Maintained]
    ended: list[str]  # ids of failures whose source is gone
    n_scratch: int  # folders of killed runs
    only_planned: bool
    erased: dict[str, int] = field(default_factory=dict)  # of removed recordings: kind of place → how many

    exit_code = 0

    def __str__(self) -> str:
        would = "would be " if self.only_planned else ""
        merged, deleted = ("would merge", "delete") if self.only_planned else ("merged", "deleted")
        lines = [
            f"{one.name:<12} {one.n_files} files: {merged} {one.n_merged} into {one.n_made},"
            f" {deleted} {one.n_deleted} that nothing needs ({one.deleted_bytes / 1e6:.1f} MB)"
            for one in self.tables
        ]
        gone = f"{len(self.ended)} failures {would}ended: source gone, not seen within the retention"
        lines.append(f"{'ended':<12} {gone}")
        lines.append(
            f"{'scratch':<12} {self.n_scratch} folders of killed runs on this machine {would}removed"
        )
        lines += [
            f"{'erased':<12} {n} {kind} of removed recordings {would}".rstrip()
            for kind, n in self.erased.items()
        ]
        return "\n".join(lines)


def run(
    output: str, *, config: Config | None = None, retention_h: int = RETENTION_H, plan_only: bool = False
) -> Maintenance:
    """Maintain all tables below ``output``, and erase what is left of removed recordings.

    Raises ``ConfigError`` where there are no tables.
    """
    config = config or Config()
    tables = cli.published(output, config)
    ended = tables.dead_failures(retention_h)
    if not plan_only:
        tables.end_failures(ended)
    tree = Tree(tables.root, tables.s3, spares_new_files=True, admits=cli.admitted(config, output))
    gone = removed.at(tables.root, tables.s3)
    kinds = (*places.ROWS, *places.FILES) if gone else ()
    erased = places.counted(places.find(tree, gone, kinds), take_out=not plan_only)
    maintained = [
        replace(
            maintain(table, retention_h, plan_only=plan_only), name=table.uri.removeprefix(f"{tables.root}/")
        )
        for table in tree.tables
    ]
    base = scratch.base_of(config.spark.conf.get("spark.local.dir"))
    n_scratch = scratch.remove_leftovers(base, plan_only=plan_only)
    return Maintenance(maintained, ended, n_scratch, plan_only, erased)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = cli.parser(__doc__ or "")
    parser.add_argument(
        "--retention-h",
        type=cli.at_least(0),
        default=RETENTION_H,
        metavar="HOURS",
        help=f"default {RETENTION_H}; more than the longest wave and the longest query take",
    )
    parser.add_argument("--plan", action="store_true", help="say what would be done, do nothing")
    options = parser.parse_args(arguments)
    return cli.run_job(
        lambda: run(
            options.output,
            config=configuration.load(options.conf, options.set),
            retention_h=options.retention_h,
            plan_only=options.plan,
        )
    )


if __name__ == "__main__":
    sys.exit(main())
