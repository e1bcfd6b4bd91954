"""Prints what a job published and how to query it: ``show.py OUTPUT``."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path
from typing import Any

from deltalake import DeltaTable

from transcribe.storage.s3 import S3Options
from transcribe.tables.delta import dataset

QUERIES = """
How to query (any Delta reader will do):
  pandas  import pyarrow.fs as fs; from deltalake import DeltaTable
          files = fs.SubTreeFileSystem('{output}/transcripts', fs.LocalFileSystem())
          DeltaTable('{output}/transcripts').to_pandas(filesystem=files)[['recording_id', 'language', 'text']]
  DuckDB  INSTALL delta; LOAD delta;
          SELECT language, count(*), sum(duration_s) FROM delta_scan('{output}/transcripts') GROUP BY 1;
  Spark   from transcribe.tables.tables import Tables; from transcribe.storage.s3 import S3Options
          Tables('{output}', S3Options()).read(spark, 'transcripts').show()"""


def rows(table: Path) -> list[dict[str, Any]]:
    """The table's current rows; none when it does not exist yet."""
    if not table.exists():
        return []
    found: list[dict[str, Any]] = (
        dataset(DeltaTable(str(table)), str(table), S3Options()).to_table().to_pylist()
    )
    return found


def clock(seconds: float) -> str:
    """As mm:ss.ss; the minutes go on beyond 60."""
    hundredths = round(seconds * 100)
    return f"{hundredths // 6000:02d}:{hundredths // 100 % 60:02d}.{hundredths % 100:02d}"


def transcript_lines(row: dict[str, Any]) -> list[str]:
    language = f"{row['language']} {row['language_prob'] or 0:.2f}"
    about = f"{language}, {row['region']}, {row['duration_s']:.1f} s, {row['model']}"
    lines = [f"{row['recording_id']}  [{about}]"]
    for utterance in row["utterances"]:
        speaker = f"{utterance['speaker']}: " if row["n_channels"] > 1 else ""
        verdict = "" if utterance["verdict"] == "ok" else f" [{utterance['verdict']}]"
        said = f"{clock(utterance['start_s'])}  {speaker}{utterance['text'].strip()}{verdict}"
        lines += textwrap.wrap(said, 100, initial_indent="    ", subsequent_indent=" " * 14)
    return lines if row["utterances"] else [*lines, "    (no speech)"]


def failure_lines(row: dict[str, Any]) -> list[str]:
    return [
        f"  {row['recording_id']}  {row['stage']}: {row['error']}: {row['message']}",
        f"      next step: {row['next_step']}",
    ]


def run_lines(run: dict[str, Any]) -> list[str]:
    verdict = f"{run['verdict']}: {run['reason']}" if run["reason"] else run["verdict"]
    counts = f"{run['n_published']} published + {run['n_failed']} failed + {run['n_skipped']} skipped"
    speed = f"{run['audio_s'] or 0:.0f} s of audio in {run['wall_s'] or 0:.0f} s"
    return [f"Last run {run['run_id']}: {verdict}", f"  {run['n_planned']} planned = {counts}; {speed}"]


def report(output: str) -> list[str]:
    folder = Path(output)
    lines: list[str] = []
    for row in sorted(rows(folder / "transcripts"), key=lambda row: row["recording_id"]):
        lines += ["", *transcript_lines(row)]
    failures = rows(folder / "failures")
    lines += ["", f"Failures: {len(failures) or 'none'}"]
    for row in failures:
        lines += failure_lines(row)
    runs = sorted(rows(folder / "runs"), key=lambda row: row["started_at"])
    if runs:
        lines += ["", *run_lines(runs[-1])]
    return [*lines, QUERIES.format(output=output)]


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    print("\n".join(report(sys.argv[1])))
