"""Transcribe files without Spark: ``python -m transcribe PATH… [--format text|json|srt|vtt] [--output DIR]``.

The same code as the job, so the same transcript. Exit code 0, 1 when a file failed, 2 for wrong settings.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain

from transcribe import config as configuration
from transcribe import pipeline
from transcribe.config import Config
from transcribe.console import Console
from transcribe.deliver.files import file_names
from transcribe.deliver.subtitles import FORMATS, render
from transcribe.errors import (
    ConfigError,
    LanguageError,
    ManifestError,
    ModelError,
    StorageError,
    TranscribeError,
    failure,
)
from transcribe.escape import printable, tolerant_stdout
from transcribe.inputs.formats import is_manifest
from transcribe.inputs.read import read
from transcribe.languages import normalize_hint
from transcribe.models.registry import Registry
from transcribe.models.scope import Scope
from transcribe.requirements import check_versions
from transcribe.storage.files import absolute, put_bytes
from transcribe.storage.s3 import S3Options
from transcribe.types import Failure, Recording, Transcript

MAX_NAME = 4096
"""Characters of a path that are shown."""


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m transcribe", description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "paths",
        nargs="+",
        metavar="PATH",
        help="file, folder, glob or manifest; local or s3://bucket/key",
    )
    parser.add_argument("--format", choices=FORMATS, default="text")
    parser.add_argument("--output", metavar="DIR", help="a file a recording here, instead of all on stdout")
    parser.add_argument("--language", help="of recordings of which nothing else is said; default: identified")
    parser.add_argument("--channels", default="auto", help="auto, mix, each, or indices such as 0,1")
    parser.add_argument(
        "--processes", type=int, default=1, metavar="N", help="work on this machine (%(default)s)"
    )
    parser.add_argument("--conf", action="append", default=[], metavar="YAML", help="settings; repeatable")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="one setting")
    return parser


def main() -> int:
    options = parser().parse_args()
    tolerant_stdout()
    if options.processes < 1:
        parser().error("--processes must be at least 1")
    try:
        check_versions()
        config = configuration.load(options.conf, options.set)
        registry = Registry.of(config)
        options.language = normalize_hint(options.language)
        s3 = S3Options.of(config.storage)
        if options.output:
            Scope(registry, config).admit_file("--output", options.output)
        asked = [one for path in options.paths for one in _asked(path, options, config, registry, s3)]
        if options.format in ("srt", "vtt") and len(asked) > 1 and not options.output:
            parser().error(
                f"--format {options.format} makes a file a recording: give --output DIR or one FILE"
            )
        return _transcribe(asked, options, config, registry, s3)
    except (ConfigError, ModelError, LanguageError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 2
    except TranscribeError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


@dataclass(frozen=True)
class _Asked:
    """A recording that was asked for, and what to call it."""

    name: str
    what: Recording | Failure


def _asked(
    path: str, options: argparse.Namespace, config: Config, registry: Registry, s3: S3Options
) -> list[_Asked]:
    """What a path stands for; a file that is named keeps the name it is given. What the options say is for
    recordings that a manifest says nothing else of."""
    try:
        inputs = read(path, config, s3, scope=Scope(registry, config), for_tables=False)
    except ManifestError as error:
        if is_manifest(path) or not isinstance(error.__cause__, StorageError):
            raise
        return [_Asked(path, failure(path, error.__cause__, "plan"))]  # a file that is not there
    for note in inputs.notes():
        print(f"{printable(path, MAX_NAME)}: {note}", file=sys.stderr)
    recordings = [
        replace(
            one,
            language=one.language or options.language,
            channels=options.channels if one.channels == "auto" else one.channels,
        )
        for one in inputs.recordings.values()
    ]
    named = absolute(path)
    return [
        *(_Asked(one.uri, one.failure) for one in inputs.unplannable.values()),
        *(_Asked(path if one.uri == named else one.uri, one) for one in recordings),
    ]


def _transcribe(
    asked: Sequence[_Asked], options: argparse.Namespace, config: Config, registry: Registry, s3: S3Options
) -> int:
    names = {one.what.recording_id: printable(one.name, MAX_NAME) for one in asked}
    recordings = [one.what for one in asked if isinstance(one.what, Recording)]
    ids = [recording.recording_id for recording in recordings]
    files = dict(zip(ids, file_names(recordings, options.format), strict=True))
    failures = [one.what for one in asked if isinstance(one.what, Failure)]
    is_headed = len(asked) > 1 and options.format == "text"

    def deliver(transcript: Transcript) -> Failure | None:
        """On stdout or into its file."""
        id_, text = transcript.recording.recording_id, render(transcript, options.format)
        if not options.output:
            console.result(f"# {names[id_]}\n{text}" if is_headed else text)
            return None
        data = f"{text}\n".encode(errors="backslashreplace")
        try:
            put_bytes(f"{options.output.rstrip('/')}/{files[id_]}", data, s3)
        except StorageError as error:
            return failure(id_, error, "deliver")
        return None

    n_failed = 0
    with Console(len(asked), config.job.progress_s, sys.stderr) as console:
        outcomes = pipeline.transcribe(
            recordings, config, registry, s3=s3, processes=options.processes, on_progress=console.update
        )
        for outcome in chain(failures, outcomes):
            failed = deliver(outcome) if isinstance(outcome, Transcript) else outcome
            if failed:
                n_failed += 1
                name = names[failed.recording_id]
                console.error(f"{name}: {failed.error}: {failed.message} → {failed.next_step}")
    return 1 if n_failed else 0


if __name__ == "__main__":
    sys.exit(main())
