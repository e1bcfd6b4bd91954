"""Which audio tracks of a file are other versions of its programme: dubs, commentaries, descriptions.

A container's tags only make a track a candidate. It is left out if another track speaks as much (beside a
commentary) or at the same time (beside a dub): nobody's speech goes because of a tag alone. Of several
versions the one in the requested language is kept. Titles do not count: people name tracks as they like.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from transcribe.audio.container import AudioInfo, Track
from transcribe.audio.decode import Block
from transcribe.audio.tracks import channels_of
from transcribe.config import VadConfig
from transcribe.errors import LanguageError
from transcribe.languages import normalize_hint, whisper_code
from transcribe.speech.vad import SegmentDetector
from transcribe.types import Segment

MIN_SHARED = 0.5
"""Two tracks in different languages are one programme if both speak in this share of the shorter's speech.
Two readings that begin together share 0.87 of it; people and interpreters who take turns share little."""
MIN_SPOKEN = 0.5
"""A commentary or the like is left out if another track has at least this share of its seconds of speech."""

Spoken = Sequence[Segment]
"""The speech of one track, in time order."""


def may_hold_versions(tracks: Sequence[Track]) -> bool:
    """Return True if the tags of some track differ from those of the others in purpose or language."""
    return len({(track.purpose, track.language) for track in tracks}) > 1


def speech_of_tracks(info: AudioInfo, blocks: Iterable[Block], config: VadConfig) -> list[list[Segment]]:
    """Return the speech of each track's mix, from the whole decoded recording."""
    channels = channels_of(info)
    detectors = [SegmentDetector(n, config) for n in range(len(channels))]
    spoken: list[list[Segment]] = [[] for _ in channels]
    for block in blocks:
        for n, detector in enumerate(detectors):
            spoken[n] += detector.feed(block[list(channels[n])].mean(axis=0))
    return [found + detector.finish() for found, detector in zip(spoken, detectors, strict=True)]


def other_versions(tracks: Sequence[Track], spoken: Sequence[Spoken], hint: str | None) -> dict[int, str]:
    """Return the tracks to leave out as (track, reason).

    A kept track is better than those left out for it: the recording itself rather than one for a purpose,
    then the language of ``hint``, then a language that the tag leaves open, then the order in the file.
    """
    kept: list[int] = []
    left_out: dict[int, str] = {}
    for k in sorted(range(len(tracks)), key=lambda k: (bool(tracks[k].purpose), _rank(tracks[k], hint), k)):
        if tracks[k].purpose:
            is_version = any(_is_spoken(spoken[j], spoken[k]) for j in kept if not tracks[j].purpose)
        else:
            is_version = any(
                tracks[j].language != tracks[k].language and _is_one_programme(spoken[j], spoken[k])
                for j in kept
            )
        if is_version:
            left_out[k] = f"track_{tracks[k].purpose or 'other_language'}"
        else:
            kept.append(k)
    return left_out


def _rank(track: Track, hint: str | None) -> int:
    """Return 0 for the language of ``hint``, 1 for one that the tag leaves open, 2 for another one."""
    if hint is None:
        return 0
    try:
        tag = normalize_hint(track.language)
    except LanguageError:  # qaa to qtz (the original version), or a language that no model speaks
        tag = None
    if tag is None:
        return 1
    return 0 if whisper_code(tag) == whisper_code(hint) else 2


def _is_spoken(main: Spoken, other: Spoken) -> bool:
    spoken_s = sum(one.duration_s for one in main)
    return spoken_s > 0 and spoken_s >= MIN_SPOKEN * sum(one.duration_s for one in other)


def _is_one_programme(first: Spoken, second: Spoken) -> bool:
    shorter_s = min(sum(one.duration_s for one in spoken) for spoken in (first, second))
    return shorter_s > 0 and _shared_s(first, second) >= MIN_SHARED * shorter_s


def _shared_s(first: Spoken, second: Spoken) -> float:
    """Return the seconds in which both speak."""
    shared_s, at = 0.0, 0
    for one in first:
        while at < len(second) and second[at].end_s <= one.start_s:
            at += 1
        for other in second[at:]:
            if other.start_s >= one.end_s:
                break
            shared_s += min(one.end_s, other.end_s) - max(one.start_s, other.start_s)
    return shared_s
