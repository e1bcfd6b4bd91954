"""A manifest of references: recordings with what is really said in them, as JSON lines, JSON or CSV.

Required: ``uri`` (or ``file``, ``audio_filepath``; relative to the manifest's folder) and ``language``, any
tag that a recording's hint may be (``zh-CN`` is zh). What is said is ``reference_text``, or NeMo's ``text``.
An empty one says that nobody speaks, a missing one (JSON's null) that it is not known.

Known besides: ``recording_id``, ``region``, ``service``, ``channels`` (as the nightly job's; a bare number
in JSON is a count and says nothing), ``kind`` (silence and noise have no language), ``reference_quality``
(exact, script, near, loose), ``channel_references`` (a text a channel), ``speaker_references`` (a text a
speaker, in any order), ``word_times`` ([start_s, end_s, word] each), ``word_times_source``, ``duration_s``,
``sha256``, ``notes``. In CSV the lists are JSON. Other columns are not used.
"""

from __future__ import annotations

import json
import posixpath
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transcribe.errors import ManifestError, PlanError, StorageError
from transcribe.evaluate.timing import TimedText
from transcribe.inputs.formats import UNREADABLE, is_manifest, lines_of
from transcribe.languages import UNDETERMINED, normalize_hint, whisper_code
from transcribe.storage.addresses import canonical
from transcribe.storage.files import open_binary
from transcribe.storage.s3 import S3Options, is_s3

TOLD = frozenset({"reference_text", "text", "channel_references", "speaker_references", "word_times", "kind"})
"""Columns that say what is in a recording."""
NO_LANGUAGE = frozenset({"silence", "noise", "corrupt"})
"""Kinds whose ``language`` is only a placeholder."""


@dataclass(frozen=True)
class Reference:
    """One recording and what is known about it."""

    path: Path  # of one on S3, its key
    language: str  # Whisper's code, which texts are counted by
    kind: str
    text: str | None = None  # None: unknown; empty: nobody speaks
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
    tag: str = ""  # the language as it is written, where that says more than the code: zh-Hant

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
        return None if self.kind in NO_LANGUAGE else self.tag or self.language

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
    if not any(isinstance(line, dict) and not TOLD.isdisjoint(line) for line in lines):
        remedy = f"no row tells what is said: none has one of {', '.join(sorted(TOLD))}"
        raise ManifestError("references", place, remedy)
    references = []
    for number, line in enumerate(lines, start=1):
        try:
            if isinstance(line, PlanError):
                raise line
            references.append(_reference(line, folder or ("/" if place.startswith("/") else ".")))
        except (ValueError, TypeError, KeyError, PlanError) as error:
            missing = f"it has no {error.args[0]}" if isinstance(error, KeyError) else str(error)
            message = f"row {number} is no reference: {missing}"
            raise ManifestError("references", place, message) from error
    _check_ids(references, place)
    return references


def _check_ids(references: Sequence[Reference], place: str) -> None:
    ids = Counter(one.id for one in references)
    if twice := sorted(id_ for id_, n in ids.items() if n > 1):
        raise ManifestError("references", place, f"each needs an id of its own: {', '.join(twice[:5])}")


def as_row(reference: Reference) -> dict[str, Any]:
    """The row of a manifest that ``load`` reads as the same reference, wherever that manifest lies."""
    values = {
        **{"uri": reference.uri or str(reference.path.resolve()), "recording_id": reference.id},
        **{name: getattr(reference, name) for name in _COPIED},
        "language": reference.tag or reference.language,
        "reference_quality": reference.quality,
        "channel_references": list(reference.channel_texts),
        "speaker_references": list(reference.speaker_texts),
        "word_times": [list(word) for word in reference.word_times],
    }
    told = {"reference_text": reference.text} if reference.text is not None else {}
    return {key: value for key, value in values.items() if value not in (None, "", [])} | told


_COPIED = ("kind", "region", "service", "channels", "word_times_source", "duration_s", "notes")


def _reference(row: Mapping[str, Any], folder: str) -> Reference:
    given = canonical(str(row.get("uri") or row.get("audio_filepath") or row["file"]))
    given = given if is_s3(given) else posixpath.join(folder, given)
    duration_s = row.get("duration_s")
    tag = normalize_hint(str(row["language"])) or UNDETERMINED
    return Reference(
        path=Path(given.removeprefix("s3://")),
        uri=given if is_s3(given) else "",
        language=whisper_code(tag),
        tag=tag if tag != whisper_code(tag) else "",
        kind=_text(row, "kind") or "",
        text=_said(row),
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


def _said(row: Mapping[str, Any]) -> str | None:
    given = row.get("reference_text", row.get("text"))
    return None if given is None else str(given).strip()


def _text(row: Mapping[str, Any], name: str) -> str | None:
    return str(row[name]) if row.get(name) else None


def _list(row: Mapping[str, Any], name: str) -> list[Any]:
    value = row.get(name) or []
    value = json.loads(value) if isinstance(value, str) else value
    if not isinstance(value, list):
        raise TypeError(f"{name} is not a list: {value!r}")
    return value
