"""Transcribe files without Spark: ``python -m transcribe FILE… [--format text|json|srt|vtt]``.

The same code as the job, so the same transcript. Exit code 0, 1 when a file failed, 2 for wrong settings.
"""

from __future__ import annotations

import argparse
import os
import sys

from transcribe import config as configuration
from transcribe.config import Config
from transcribe.deliver.subtitles import FORMATS, render
from transcribe.engines.base import Engine
from transcribe.engines.cache import EngineCache
from transcribe.engines.loading import choose_device
from transcribe.errors import ConfigError, LanguageError, ModelError, RecordingError
from transcribe.escape import printable, tolerant_stdout
from transcribe.languages import normalize_hint
from transcribe.models.registry import ModelEntry, Registry
from transcribe.pipeline import LoadEngine, transcribe_recording
from transcribe.storage.files import local_copy, stat
from transcribe.storage.s3 import S3Options
from transcribe.types import Recording


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m transcribe", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("files", nargs="+", metavar="FILE", help="local path or s3://bucket/key")
    parser.add_argument("--format", choices=FORMATS, default="text")
    parser.add_argument("--language", help="of all files; default: identified")
    parser.add_argument("--channels", default="auto", help="auto, mix, each, or indices such as 0,1")
    parser.add_argument("--conf", action="append", default=[], metavar="YAML", help="settings; repeatable")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="one setting")
    options = parser.parse_args()
    tolerant_stdout()
    if len(options.files) > 1 and options.format in ("srt", "vtt"):
        parser.error(f"--format {options.format} makes one subtitle file: give one FILE")
    try:
        config = configuration.load(options.conf, options.set)
        models = Registry.of(config)
        device = choose_device(config, os.cpu_count() or 1)
        engines = EngineCache()
        options.language = normalize_hint(options.language)

        def load_engine(entry: ModelEntry) -> Engine:
            return engines.get(entry, config, device)[0]

        failed = [
            file for file in options.files if not _transcribe(file, options, config, models, load_engine)
        ]
    except (ConfigError, ModelError, LanguageError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 2
    return 1 if failed else 0


def _transcribe(
    file: str,
    options: argparse.Namespace,
    config: Config,
    models: Registry,
    load_engine: LoadEngine,
) -> bool:
    s3 = S3Options(config.storage.s3_endpoint_url, config.storage.s3_region)
    try:
        found = stat(file, s3)
        recording = Recording(
            found.uri,
            found.uri,
            found.version,
            config.job.region or "",
            config.job.date or found.modified_date,
            options.language,
            channels=options.channels,
        )
        with local_copy(file, s3) as path:
            transcript = transcribe_recording(recording, path, config, models, load_engine)
    except RecordingError as error:
        print(f"{printable(file)}: {printable(error, 500)} → {error.next_step}", file=sys.stderr)
        return False
    if len(options.files) > 1 and options.format == "text":
        print(f"# {printable(file)}")
    print(render(transcript, options.format))
    return True


if __name__ == "__main__":
    sys.exit(main())
