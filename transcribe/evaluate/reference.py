"""A manifest of references: recordings with what is really said in them, one JSON object a line.

``file`` (relative to the manifest's folder), ``language`` and ``kind`` are required; known besides:
``reference_text``, ``reference_quality`` (exact, script, near, loose), ``word_times`` ([start_s, end_s,
word] each), ``word_times_source``, ``duration_s``, ``sha256``, ``notes``. Other keys are not used.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from transcribe.errors import ManifestError
from transcribe.evaluate.timing import TimedText

NO_LANGUAGE = frozenset({"silence", "noise", "corrupt"})
"""Kinds whose ``language`` is only a placeholder."""


@dataclass(frozen=True)
class Reference:
    """One recording and what is known about it."""

    path: Path
    language: str
    kind: str
    text: str | None = None  # None: unknown
    quality: str = ""  # exact, script, near or loose; empty without text
    word_times: tuple[TimedText, ...] = ()
    word_times_source: str = ""  # manual, forced_alignment or asr_engine
    duration_s: float | None = None
    sha256: str = ""
    notes: str = ""

    @property
    def file(self) -> str:
        return self.path.name

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


def load(manifest: Path | str) -> list[Reference]:
    """References in the manifest's order. Raises ManifestError naming the line that cannot be used."""
    manifest = Path(manifest)
    try:
        lines = manifest.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ManifestError("references", str(manifest), f"cannot be read: {error}") from error
    references = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            references.append(_reference(json.loads(line), manifest.parent))
        except (ValueError, TypeError, KeyError) as error:
            raise ManifestError(
                "references", f"{manifest}:{number}", f"not a reference: {error!r}"
            ) from error
    return references


def _reference(row: dict[str, object], folder: Path) -> Reference:
    path = folder / str(row["file"])  # first: a TypeError where the line is no object
    times = row.get("word_times") or []
    if not isinstance(times, list):
        raise TypeError(f"word_times is not a list: {times!r}")
    duration_s = row.get("duration_s")
    return Reference(
        path=path,
        language=str(row["language"]),
        kind=str(row["kind"]),
        text=str(row["reference_text"]) if row.get("reference_text") else None,
        quality=str(row.get("reference_quality") or ""),
        word_times=tuple((float(start_s), float(end_s), str(word)) for start_s, end_s, word in times),
        # "manual (emuR …, Text tier)" → "manual": the rest is provenance
        word_times_source=str(row.get("word_times_source") or "").split(" ")[0].split("/")[0],
        duration_s=float(str(duration_s)) if duration_s is not None else None,
        sha256=str(row.get("sha256") or ""),
        notes=str(row.get("notes") or ""),
    )
