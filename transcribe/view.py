"""A published transcript as a page: ``python -m transcribe.view RECORDING_ID --table DIR [--compare …]``.

The page is one file with the sound in it: a click on a word plays it. ``--compare`` sets another version
beside it: ``before`` the current one, a version of the table by its number, or another folder of tables. Exit
code 2 if there is nothing to show, or no place for it.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence

from transcribe import config as configuration
from transcribe.config import Config
from transcribe.deliver.sound import Sound, read_sound
from transcribe.deliver.transcript_page import Page, Version, lanes_of, transcript_page
from transcribe.errors import ConfigError, RecordingError, TranscribeError
from transcribe.escape import printable, tolerant_stdout
from transcribe.models.scope import Scope
from transcribe.storage.files import local_copy, put_bytes
from transcribe.storage.s3 import S3Options
from transcribe.tables import publication
from transcribe.tables.rows import from_row
from transcribe.tables.tables import Tables

BEFORE = "before"


def show(recording_id: str, table: str, compare: str | None = None, config: Config | None = None) -> Page:
    """The page; a notebook shows it if it is a cell's last value. ``table``: what holds ``transcripts``.

    Without the recording's file there is no player. Raises ConfigError if no such transcript is published.
    """
    config = config or Config()
    s3 = S3Options.of(config.storage)
    scope = Scope.of(config, table)
    versions = [_published(recording_id, table, None, s3)]
    if compare is not None:
        number = int(compare) if re.fullmatch("[0-9]{1,18}", compare) else None
        if compare == BEFORE:
            number = _version_before(recording_id, Tables(table, s3))
        if number is None:
            scope.admit_file("--compare", compare)
        versions.append(_published(recording_id, compare if number is None else table, number, s3))
    recording = versions[0].transcript.recording
    scope.admit(recording.region or None, recording.uri)
    sound, why_silent = _sound(versions, config, s3)
    return transcript_page(versions, sound, why_silent)


def _version_before(recording_id: str, tables: Tables) -> int:
    """The table's version before the one that published the current row."""
    published_at = tables.row_of(recording_id)[publication.NAME]
    current = tables.transcripts.find()
    for commit in current.history() if current else ():
        moment = commit.get(publication.NAME)
        if moment and publication.parse(moment) == published_at:
            return int(commit["version"]) - 1
    remedy = f"the log of {tables.root} does not reach back to {published_at}: give a version or a folder"
    raise ConfigError("--compare", BEFORE, remedy)


def _published(recording_id: str, table: str, number: int | None, s3: S3Options) -> Version:
    row = Tables(table, s3).row_of(recording_id, number)
    title = f"{row['model']} of {row['created_at']:%Y-%m-%d %H:%M}, run {row['run_id']}"
    return Version(title, from_row(row))


def _sound(versions: Sequence[Version], config: Config, s3: S3Options) -> tuple[Sound | None, str]:
    try:
        with local_copy(versions[0].transcript.recording.uri, s3) as path:
            return read_sound(path, lanes_of(versions), config.audio), ""
    except RecordingError as error:
        return None, str(error)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m transcribe.view", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("recording_id", metavar="RECORDING_ID")
    parser.add_argument("--table", required=True, metavar="DIR", help="output folder of the nightly job")
    parser.add_argument(
        "--compare", metavar="before|VERSION|DIR", help="as it was before, in a version, or in another output"
    )
    parser.add_argument(
        "--output", metavar="FILE", help="default: transcript.html", default="transcript.html"
    )
    parser.add_argument("--conf", action="append", default=[], metavar="YAML", help="settings; repeatable")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="one setting")
    options = parser.parse_args(arguments)
    tolerant_stdout()
    try:
        config = configuration.load(options.conf, options.set)
        Scope.of(config).admit_file("--output", options.output)
        page = show(options.recording_id, options.table, options.compare, config)
        s3 = S3Options.of(config.storage)
        put_bytes(options.output, page.html.encode(errors="replace"), s3)
    except TranscribeError as error:
        print(printable(f"{type(error).__name__}: {error}", 2000), file=sys.stderr)
        return 2
    print(options.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
