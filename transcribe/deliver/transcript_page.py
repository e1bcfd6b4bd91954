"""A transcript, or two versions of it, as a page with a player: to look into a complaint."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from transcribe.deliver.sound import Sound
from transcribe.pages.page import render
from transcribe.tables.word_diff import differing_words
from transcribe.types import Transcript, Utterance, Word


@dataclass(frozen=True)
class Version:
    """A transcript and what to call it."""

    title: str
    transcript: Transcript


@dataclass(frozen=True)
class Page:
    """A whole HTML document; a notebook shows it inline."""

    html: str

    def __repr__(self) -> str:
        return f"Page({len(self.html) / 1e6:.1f} MB of HTML)"  # with the sound: no prompt shall print it

    def _repr_html_(self) -> str:
        frame = 'style="width:100%;height:40rem;border:0" title="transcript"'
        return f'<iframe srcdoc="{escape(self.html)}" {frame}></iframe>'


def lanes_of(versions: Sequence[Version]) -> list[int]:
    """Channels with utterances or with speech that has no words; at least one."""
    found = {u.channel for v in versions for u in v.transcript.utterances}
    found |= {d.channel for v in versions for d in v.transcript.coverage.dropped}
    return sorted(found) or [0]


def transcript_page(versions: Sequence[Version], sound: Sound | None, why_silent: str = "") -> Page:
    """One or two versions of one recording's transcript. Without ``sound`` there is no player, and why."""
    first = versions[0].transcript
    duration_s = max(
        [sound.duration_s if sound else 0.0, *(v.transcript.duration_s for v in versions), 0.001]
    )
    differing = _differing(versions) if len(versions) == 2 else [set()]
    html = render(
        "transcript.j2",
        recording=first.recording,
        duration_s=duration_s,
        audio=base64.b64encode(sound.flac).decode() if sound else "",
        why_silent=why_silent,
        lanes=[_lane(lane, versions[0].transcript, sound, duration_s) for lane in lanes_of(versions)],
        versions=[
            {"title": v.title, "transcript": v.transcript, "utterances": list(_shown(v.transcript, marked))}
            for v, marked in zip(versions, differing, strict=True)
        ],
        n_differing=len(differing[0] | differing[-1]) if _can_count(versions) else None,
    )
    return Page(html)


def _can_count(versions: Sequence[Version]) -> bool:
    """Return True if two versions can be compared word by word: text without word times cannot."""
    published = (u for v in versions for u in v.transcript.utterances if u.published)
    return len(versions) == 2 and all(u.words or not u.text.strip() for u in published)


def _lane(lane: int, transcript: Transcript, sound: Sound | None, duration_s: float) -> Mapping[str, Any]:
    """Its outline as an SVG path in a box of 1000 × 40, and what of it is covered and dropped."""

    def stretch(start_s: float, end_s: float) -> tuple[float, float]:
        return 1000 * start_s / duration_s, max(1.0, 1000 * (end_s - start_s) / duration_s)

    peaks = sound.peaks.get(lane, []) if sound else []
    step = 1000 / max(1, len(peaks))
    upper = [f"{i * step:.1f},{20 - 19 * peak:.1f}" for i, peak in enumerate(peaks)]
    lower = [f"{i * step:.1f},{20 + 19 * peak:.1f}" for i, peak in reversed(list(enumerate(peaks)))]
    return {
        "name": _name(lane, transcript),
        "outline": " ".join([*upper, *lower]),
        "covered": [
            stretch(u.start_s, u.end_s) for u in transcript.utterances if u.published and u.channel == lane
        ],
        "dropped": [
            (*stretch(d.start_s, d.end_s), d.reason)
            for d in transcript.coverage.dropped
            if d.channel == lane and d.end_s > d.start_s
        ],
    }


def _name(lane: int, transcript: Transcript) -> str:
    """The channel and, where the manifest names one, its speaker."""
    speaker = next((one.speaker for one in transcript.utterances if one.channel == lane), "")
    return f"channel {lane}: {speaker}" if speaker not in ("", f"channel_{lane}") else f"channel {lane}"


def _words(transcript: Transcript) -> list[Word]:
    """All published words, in time order; of equal times in the transcript's."""
    return sorted((w for u in transcript.utterances if u.published for w in u.words), key=lambda w: w.start_s)


def _shown(transcript: Transcript, marked: set[int]) -> Iterator[Mapping[str, Any]]:
    for utterance in transcript.utterances:
        gaps = _gaps(utterance)
        words = [
            (word, id(word) in marked, _doubt(word), gap)
            for word, gap in zip(utterance.words, gaps, strict=True)
        ]
        yield {"is": utterance, "words": words, "status": _status(utterance)}


def _gaps(utterance: Utterance) -> list[str]:
    """What stands before each word in the utterance's text: mostly a space, nothing within "l'homme"."""
    gaps, at = [], 0
    for word in utterance.words:
        found = utterance.text.find(word.text, at)
        if found < 0:  # a text step has changed it
            gaps.append(" ")
            continue
        gaps.append(utterance.text[at:found])
        at = found + len(word.text)
    return gaps


def _status(utterance: Utterance) -> str:
    return utterance.verdict.partition(":")[0]


def _doubt(word: Word) -> int:
    """Percent of shade: none at probability 1, all at 0.3 and below."""
    return round(100 * min(1.0, max(0.0, (1 - word.probability) / 0.7)))


def _differing(versions: Sequence[Version]) -> list[set[int]]:
    """Return the words of each of two versions (by ``id``) that the other one does not have."""
    sides = [_words(version.transcript) for version in versions]
    old, new = ([word.text for word in words] for words in sides)
    places = differing_words(old, new, versions[-1].transcript.language)
    return [{id(words[n]) for n in found} for words, found in zip(sides, places, strict=True)]
