"""Names of the files that transcripts are delivered in, one a recording."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from itertools import chain, count

from transcribe.types import Recording

SUFFIXES = {"text": "txt", "json": "json", "srt": "srt", "vtt": "vtt"}


def file_names(recordings: Sequence[Recording], format: str) -> list[str]:
    """A relative name for each, no two alike, after the id: of a path, what all do not have in common.

    A path's suffix gives way to the format's, unless an earlier recording has that name: then it stays, too.
    """
    paths = [posixpath.normpath("/" + one.recording_id.replace("://", "/")) for one in recordings]
    common = posixpath.commonpath([posixpath.dirname(path) for path in paths]) if paths else "/"
    taken: set[str] = set()
    names = []
    for one, path in zip(recordings, paths, strict=True):
        whole = posixpath.relpath(path, common)
        first = posixpath.splitext(whole)[0] if one.recording_id == one.uri else whole
        candidates = chain((first, whole), (f"{whole}-{n}" for n in count(2)))
        names.append(next(name for name in candidates if name not in taken))
        taken.add(names[-1])
    return [f"{name}.{SUFFIXES[format]}" for name in names]
