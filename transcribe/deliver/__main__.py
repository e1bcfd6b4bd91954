"""One published transcript: ``python -m transcribe.deliver RECORDING_ID --table DIR [--format vtt]``.

Exit code 2 if there is no such transcript, or no place for it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from transcribe import config as configuration
from transcribe.config import Config
from transcribe.deliver.profile import CueRules
from transcribe.deliver.subtitles import FORMATS, render
from transcribe.errors import ConfigError, TranscribeError
from transcribe.escape import printable, tolerant_stdout
from transcribe.layers import merged
from transcribe.models.scope import Scope
from transcribe.storage.files import put_bytes
from transcribe.storage.s3 import S3Options
from transcribe.tables.rows import from_row
from transcribe.tables.tables import Tables


def text(
    recording_id: str,
    table: str,
    format: str = "vtt",
    rules: Mapping[str, Any] | Sequence[str] = (),
    config: Config | None = None,
) -> str:
    """The transcript that is published in ``table``, what holds ``transcripts``, in one of ``FORMATS``.

    ``rules`` are a service's for subtitles (``{"max_line_chars": 37}`` or ``["max_line_chars=37"]``).
    Raises ConfigError if there is no such transcript, or no such rule.
    """
    if rules and format not in ("srt", "vtt"):
        raise ConfigError("--rule", rules, f"--format {format} has none: they are for srt and vtt")
    try:
        chosen = CueRules.model_validate(merged((), rules))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "--rule"
        known = ", ".join(CueRules.model_fields)
        raise ConfigError(key, first["input"], f"{first['msg']}; rules are {known}") from None
    config = config or Config()
    Scope.of(config, table)
    row = Tables(table, S3Options.of(config.storage)).row_of(recording_id)
    return render(from_row(row), format, chosen)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m transcribe.deliver", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("recording_id", metavar="RECORDING_ID")
    parser.add_argument("--table", required=True, metavar="DIR", help="output folder of the nightly job")
    parser.add_argument("--format", choices=FORMATS, default="vtt", help="default: %(default)s")
    parser.add_argument("--output", metavar="FILE", help="default: stdout")
    parser.add_argument(
        "--rule", action="append", default=[], metavar="KEY=VALUE", help="of subtitles: max_line_chars=37 …"
    )
    parser.add_argument("--conf", action="append", default=[], metavar="YAML", help="settings; repeatable")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="one setting")
    options = parser.parse_args(arguments)
    tolerant_stdout()
    try:
        config = configuration.load(options.conf, options.set)
        if options.output:
            Scope.of(config).admit_file("--output", options.output)
        found = text(options.recording_id, options.table, options.format, options.rule, config)
        if options.output:
            s3 = S3Options.of(config.storage)
            put_bytes(options.output, f"{found}\n".encode(errors="backslashreplace"), s3)
    except TranscribeError as error:
        print(printable(f"{type(error).__name__}: {error}", 2000), file=sys.stderr)
        return 2
    print(options.output or found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
