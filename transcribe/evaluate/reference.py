"""A manifest of references: recordings with what is really said in them, as JSON lines, JSON or CSV.

Required: ``uri`` (or ``file``, ``audio_filepath``; relative to the manifest's folder), ``language``. Known
besides: ``recording_id``, ``region``, ``service``, ``channels`` (as the nightly job's; a bare number in JSON
is a count and says nothing), ``kind`` (silence and noise have no language), ``reference_text``,
``reference_quality`` (exact, script, near, loose), ``channel_references`` (a text a channel),
``speaker_references`` (a text a speaker, in any order),
``word_times`` ([start_s, end_s, word] each), ``word_times_source``, ``duration_s``, ``sha256``, ``notes``.
In CSV the lists are JSON. Other columns are not used.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transcribe.errors import ManifestError, PlanError, StorageError
from transcribe.evaluate.timing import TimedText
from transcribe.inputs.formats import UNREADABLE, is_manifest, lines_of
from transcribe.storage.addresses import canonical
from transcribe.storage.files import open_binary
from transcribe.storage.s3 import S3Options, is_s3

NO_LANGUAGE = frozenset({"silence", "noise", "corrupt"})
"""Kinds whose ``language`` is only a placeholder."""


@dataclass(frozen=True)
class Reference:
    """One recording and what is known about it."""

    path: Path  # of one on S3, its key
    language: str
    kind: str
    text: str | None = None  # None: unknown
    quality: str = ""  # exact, script, near or loose; empty without text
    word_times: tuple[TimedText, ...] = ()
    word_times_source: str = ""  # manual, forced_alignment or asr_engine
    duration_s: float | None = None
    sha256: str = ""
    notes: str = ""
    uri: str = ""  # where the recording lies, if not at ``path``
    recording_id: str = ""  # empty: the file's name
    region: str | None = None
    service: str | None = None
    channels: str | None = None
    channel_texts: tuple[str, ...] = ()  # what is said on each channel, in their order; () for one text
    speaker_texts: tuple[str, ...] = ()  # what each speaker says, in any order; () unless told

    @property
    def file(self) -> str:
        return self.path.name

    @property
    def id(self) -> str:
        return self.recording_id or self.file

    @property
    def place(self) -> str:
        return self.uri or str(self.path)

    @property
    def whole_text(self) -> str:
        """All that is said, a line a channel or a speaker where no text holds it; empty if unknown."""
        return "\n".join(self.channel_texts) or self.text or "\n".join(self.speaker_texts)

    @property
    def hint(self) -> str | None:
        """The language as a planner could know it; None where the manifest's is a placeholder."""
        return None if self.kind in NO_LANGUAGE else self.language

    @property
    def loose(self) -> bool:
        """The recording says more than the text: score with free ends."""
        return self.quality == "loose"

    @property
    def speechless(self) -> bool:
        """Every word of a transcript is invented. Noise may hold speech: only its notes say that none is."""
        return self.kind == "silence" or (self.kind == "noise" and "no speech" in self.notes.lower())


def load(manifest: Path | str, s3: S3Options = S3Options()) -> list[Reference]:  # noqa: B008  it is frozen
    """References in the manifest's order. Raises ManifestError naming the row that cannot be used."""
    place = str(manifest)
    folder, _, name = place.rpartition("/")
    if not is_manifest(name) or ".parquet" in name:
        raise ManifestError("references", place, "write it as .jsonl, .json or .csv")
    try:
        with open_binary(place, s3) as file:
            _, lines = lines_of(file.read(), name)
    except (*UNREADABLE, StorageError) as error:
        raise ManifestError("references", place, f"cannot be read: {error}") from error
    references = []
    for number, line in enumerate(lines, start=1):
        try:
            if isinstance(line, PlanError):
                raise line
            references.append(_reference(line, folder or ("/" if place.startswith("/") else ".")))
        except (ValueError, TypeError, KeyError, PlanError) as error:
            message = f"row {number} is no reference: {error!r}"
            raise ManifestError("references", place, message) from error
    return references


def as_row(reference: Reference) -> dict[str, Any]:
    """The row of a manifest that ``load`` reads as the same reference, wherever that manifest lies."""
    values = {
        **{"uri": reference.uri or str(reference.path.resolve()), "recording_id": reference.id},
        **{name: getattr(reference, name) for name in _COPIED},
        "reference_text": reference.text,
        "reference_quality": reference.quality,
        "channel_references": list(reference.channel_texts),
        "speaker_references": list(reference.speaker_texts),
        "word_times": [list(word) for word in reference.word_times],
    }
    return {key: value for key, value in values.items() if value not in (None, "", [])}


_COPIED = ("language", "kind", "region", "service", "channels", "word_times_source", "duration_s", "notes")


def _reference(row: Mapping[str, Any], folder: str) -> Reference:
    given = canonical(str(row.get("uri") or row.get("audio_filepath") or row["file"]))
    given = given if is_s3(given) else posixpath.join(folder, given)
    duration_s = row.get("duration_s")
    return Reference(
        path=Path(given.removeprefix("s3://")),
        uri=given if is_s3(given) else "",
        language=str(row["language"]),
        kind=_text(row, "kind") or "",
        text=_text(row, "reference_text"),
        quality=_text(row, "reference_quality") or "",
        word_times=tuple((float(s), float(e), str(word)) for s, e, word in _list(row, "word_times")),
        # "manual (emuR …, Text tier)" → "manual": the rest is provenance
        word_times_source=(_text(row, "word_times_source") or "").split(" ")[0].split("/")[0],
        duration_s=float(str(duration_s)) if duration_s not in (None, "") else None,
        sha256=_text(row, "sha256") or "",
        notes=_text(row, "notes") or "",
        recording_id=_text(row, "recording_id") or "",
        region=_text(row, "region"),
        service=_text(row, "service"),
        channels=_text(row, "channels") if isinstance(row.get("channels"), str) else None,
        channel_texts=tuple(map(str, _list(row, "channel_references"))),
        speaker_texts=tuple(map(str, _list(row, "speaker_references"))),
    )


def _text(row: Mapping[str, Any], name: str) -> str | None:
    return str(row[name]) if row.get(name) else None


def _list(row: Mapping[str, Any], name: str) -> list[Any]:
    value = row.get(name) or []
    value = json.loads(value) if isinstance(value, str) else value
    if not isinstance(value, list):
        raise TypeError(f"{name} is not a list: {value!r}")
    return value
