"""One published recording again, stage by stage: says where its text goes wrong, and writes a page.

    python -m jobs.triage RECORDING_ID --output DIR [--text WHAT_IS_SAID] [--model NAME] … [--page FILE]
        [--add-to EVALUATIONS] [--conf YAML] [--set key=value]

``--output`` is the night's: its row tells where the file lies and what was said of it. Nothing there changes.
With ``--text`` (or ``--text-file``) variants are judged by their errors, else by how much they differ; then
``--add-to`` puts the recording into the regression set that every evaluation below that folder includes.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from jobs import cli
from transcribe import config as configuration
from transcribe.config import Config
from transcribe.errors import ConfigError
from transcribe.evaluate.evaluation import add_regression
from transcribe.evaluate.reference import Reference
from transcribe.evaluate.triage import Findings, triage
from transcribe.evaluate.triage_page import as_text, triage_page
from transcribe.languages import UNDETERMINED, whisper_code
from transcribe.models.scope import Scope
from transcribe.storage.files import local_copy, put_bytes
from transcribe.storage.s3 import S3Options, is_s3
from transcribe.tables.rows import from_row
from transcribe.tables.schemas import FAILURES, TRANSCRIPTS
from transcribe.tables.tables import Tables
from transcribe.types import Recording


@dataclass(frozen=True)
class Report:
    """What was found, and where it is written."""

    findings: Findings
    page: str | None  # None: not asked for
    added_to: str = ""

    @property
    def exit_code(self) -> int:
        return 0

    def __str__(self) -> str:
        added = [f"{'added to':20} {self.added_to}"] if self.added_to else []
        page = [f"{'page':20} {self.page}"] if self.page else []
        return "\n".join([as_text(self.findings), *page, *added])


def run(
    recording_id: str,
    *,
    output: str,
    config: Config | None = None,
    text: str | None = None,
    models: Sequence[str] = (),
    page: str | None = None,
    add_to: str | None = None,
) -> Report:
    """For notebooks: what the command's options mean. Raises ``ConfigError`` for what is not there."""
    config = config or Config()
    s3 = S3Options.of(config.storage)
    scope = Scope.of(config, output)
    for option, file in (("--page", page), ("--add-to", add_to)):
        if file is not None:
            scope.admit_file(option, file)
    recording = _recording(recording_id, output, s3)
    scope.admit(recording.region or None, recording.uri)
    if add_to and text is None:
        raise ConfigError("--add-to", add_to, "needs what is said: --text or --text-file")
    with local_copy(recording.uri, s3) as path:
        local = replace(recording, uri=str(path))
        found = replace(triage(local, path, config, models, text), recording=recording)
    if Tables(output, s3).removed([recording_id]):
        raise ConfigError("RECORDING_ID", recording_id, "was removed meanwhile: nothing is written about it")
    if page is not None:
        put_bytes(page, triage_page(found).encode(errors="replace"), s3)
    added = add_regression(add_to, _reference(found), s3) if add_to else ""
    return Report(found, page, added)


def _recording(recording_id: str, output: str, s3: S3Options) -> Recording:
    """As its row of ``transcripts``, or of ``failures``, says."""
    tables = Tables(output, s3)
    for row in tables.transcripts.rows(TRANSCRIPTS.names, [recording_id]).to_pylist():
        return from_row(row).recording
    for row in tables.failures.rows(FAILURES.names, [recording_id]).to_pylist():
        hints = row["hints"] or {"language": None, "channels": None}
        return Recording(
            recording_id,
            row["uri"],
            row["source_version"],
            row["region"] or "",
            "1970-01-01",
            hints["language"],
            channels=hints["channels"] or "auto",
        )
    raise ConfigError("RECORDING_ID", recording_id, f"is neither in transcripts nor in failures of {output}")


def _reference(found: Findings) -> Reference:
    recording = found.recording
    first = found.tried[0].transcript if found.tried else None
    tag = recording.language or (first.language if first else UNDETERMINED)
    return Reference(
        path=Path(recording.uri.removeprefix("s3://")),
        uri=recording.uri if is_s3(recording.uri) else "",
        language=whisper_code(tag),
        tag=tag,
        channels=recording.channels if recording.channels != "auto" else None,
        kind="regression",
        text=found.truth,
        quality="exact",
        recording_id=recording.recording_id,
        region=recording.region or None,
        service=recording.service,
        notes=f"triage: {found.stage}: {found.why}",
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = cli.parser(__doc__ or "")
    parser.add_argument("recording_id", metavar="RECORDING_ID")
    said = parser.add_mutually_exclusive_group()
    said.add_argument("--text", metavar="WHAT_IS_SAID", help="the true text")
    said.add_argument("--text-file", metavar="FILE", help="that holds it")
    parser.add_argument(
        "--model", action="append", default=[], metavar="NAME", help="another one to try; repeatable"
    )
    parser.add_argument("--page", metavar="FILE", help="write the findings there, too, as HTML")
    parser.add_argument("--add-to", metavar="EVALUATIONS", help="the --output of jobs/evaluate.py")
    options = parser.parse_args(arguments)
    return cli.run_job(
        lambda: run(
            options.recording_id,
            output=options.output,
            config=configuration.load(options.conf, options.set),
            text=_text(options.text, options.text_file),
            models=options.model,
            page=options.page,
            add_to=options.add_to,
        )
    )


def _text(given: str | None, file: str | None) -> str | None:
    if file is None:
        return given
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("--text-file", file, f"cannot be read: {error}") from None


if __name__ == "__main__":
    sys.exit(main())
