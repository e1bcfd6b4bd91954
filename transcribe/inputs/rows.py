"""One line of the input becomes a ``Recording``, or the ``Failure`` that says why it cannot.

All that comes from outside passes ``_checked``: nothing that a table cannot hold, nothing that acts on a
terminal, nothing too long for a folder's name.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timezone
from urllib.parse import quote

from transcribe.config import Config
from transcribe.errors import PlanError, RecordingError, StorageError, failure
from transcribe.escape import printable
from transcribe.languages import normalize_hint
from transcribe.models.scope import Scope
from transcribe.storage.files import lies_in, stat
from transcribe.storage.s3 import S3Options, Stat
from transcribe.types import Failure, Recording

log = logging.getLogger(__name__)

MAX_BYTES = {
    "uri": 4096,
    "recording_id": 1000,
    "region": 200,
    "service": 200,
    "language": 200,
    "date": 200,
    "speakers": 1000,
}
"""Of a value in UTF-8; of a region, which becomes a folder's name, escaped as it is there."""

_UNHOLDABLE = re.compile("[\0\ud800-\udfff]")
_ACTING = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""Controls, line ends and what turns the direction of writing. In a file's name they are only escaped."""


@dataclass(frozen=True)
class Row:
    """One line of the input; None where it says nothing."""

    uri: str
    stat: Stat | None = None
    recording_id: str | None = None
    region: str | None = None
    language: str | None = None
    service: str | None = None
    date: str | None = None
    channels: str | None = None
    speakers: str | None = None
    error: RecordingError | None = None  # why it can be no recording, if that is known already

    @property
    def id(self) -> str:
        """The recording's id as it can stand in a table, whatever the row says."""
        return writable(self.recording_id or self.uri)


def writable(text: str) -> str:
    """``text`` where a table or file can hold it as it is, else escaped; too long, cut and told by a hash."""
    too_long = len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES["uri"]
    if not too_long and not _UNHOLDABLE.search(text):
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{printable(text, 200)}#{digest}" if too_long else printable(text, MAX_BYTES["uri"])


def plan(
    row: Row,
    config: Config,
    s3: S3Options,
    clashing: Mapping[str, list[str]],
    scope: Scope | None,
    *,
    for_tables: bool,
) -> Recording | Failure:
    """The row's recording; any exception is its failure.

    ``clashing``: ids that stand for several rows, with their uris. Not ``for_tables``: a region may be
    missing ("" then), and a file's name need not be UTF-8.
    """
    try:
        if row.error:
            raise row.error
        _check(row, for_tables)
        if row.id in clashing:
            uris = ", ".join(map(printable, clashing[row.id][:5]))
            raise PlanError(
                "duplicate_recording_id",
                f"{len(clashing[row.id])} different rows have this id: {uris}",
                "give each recording an id of its own",
            )
        region = row.region or config.job.region or ""
        if for_tables and not region:
            raise PlanError("no_region", "neither its row nor the settings name a region", "fill in region")
        if scope:
            scope.check_names(region, row.service)
        _check_root(row.uri, config.job.allowed_roots)
        found = row.stat or _stat(row.uri, s3)
        return Recording(
            recording_id=row.id,
            uri=found.uri,
            source_version=found.version,
            region=region,
            date=_date(row.date or config.job.date or found.modified_date or _today(found.uri)),
            language=normalize_hint(row.language),
            service=row.service,
            channels=_channels(row.channels or "auto"),
            date_given=row.date is not None,
            speakers=row.speakers,
        )
    except Exception as error:  # whatever a row holds, the others are planned
        return failure(row.id, error, "plan")


def _stat(uri: str, s3: S3Options) -> Stat:
    try:
        return stat(uri, s3)
    except StorageError as error:
        if error.error != "not_found" or "\\" not in uri:
            raise
        step = "write folders with / instead of the backslash of Windows"
        raise StorageError(error.error, error.message, step) from None


def _today(uri: str) -> str:
    today = f"{datetime.now(timezone.utc):%Y-%m-%d}"
    log.warning("%s: its time of modification is no date; %s is taken", printable(uri), today)
    return today


def is_date(text: str) -> bool:
    """YYYY-MM-DD, and a day that there is?"""
    with suppress(ValueError):
        return date.fromisoformat(text).isoformat() == text
    return False


def _check(row: Row, for_tables: bool) -> None:
    if "\0" in row.uri or (for_tables and _UNHOLDABLE.search(row.uri)):
        raise PlanError("bad_name", f"the name {printable(row.uri)} is not UTF-8", "rename the file")
    for name, most in MAX_BYTES.items():
        text = getattr(row, name) or ""
        if name != "uri" and (_UNHOLDABLE.search(text) or _ACTING.search(text)):
            raise PlanError(
                "bad_value",
                f"{name} {printable(text)!r} holds control characters or half characters",
                f"correct {name}: visible characters only",
            )
        folder = quote(text, safe="", errors="surrogateescape") if name == "region" else text
        if len(folder.encode("utf-8", "surrogatepass")) > most:
            raise PlanError(
                "bad_value", f"{name} {printable(text, 40)} is longer than {most} bytes", f"shorten {name}"
            )


def _check_root(uri: str, roots: tuple[str, ...]) -> None:
    """Only what lies in one of ``roots``, links followed; () allows all."""
    if roots and not any(lies_in(uri, root) for root in roots):
        raise PlanError(
            "not_allowed",
            f"{printable(uri)} lies in none of job.allowed_roots",
            "move it there, or add its folder to job.allowed_roots",
        )


def _date(text: str) -> str:
    """YYYY-MM-DD, also of a timestamp."""
    if not is_date(text[:10]) or text[10:11] not in ("", " ", "T"):
        raise PlanError("bad_date", f"date {text!r}", "write it as YYYY-MM-DD")
    return text[:10]


def _channels(text: str) -> str:
    if not re.fullmatch(r"auto|mix|each|[0-9]{1,4}(,[0-9]{1,4})*", text):
        raise PlanError(
            "bad_channels", f"channels {printable(text)!r}", "use auto, mix, each, or indices such as 0,2"
        )
    return text
