"""What of a recording to transcribe: two sides of a call each, one scene in stereo once, each track once.

``scene.py`` tells two sources from one scene, ``tracks.py`` which of several tracks count.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from transcribe.audio.container import AudioInfo
from transcribe.audio.decode import Block
from transcribe.audio.scene import SWING_DB, Levels
from transcribe.audio.tracks import Likeness, channels_of
from transcribe.errors import DecodeError
from transcribe.types import Samples

DEAD_DB = -66.0
"""A channel never louder than this (idle A-law noise is -72 dBFS) carries nothing."""
CANCELLED_DB = -10.0
"""A mix this much weaker than its channels has lost them to opposite phases."""

Voice = tuple[int, tuple[int, ...]]
"""What is transcribed as one: the number it goes by, and the channels whose mean it is (0-based)."""


@dataclass(frozen=True)
class ChannelPlan:
    """What to transcribe, and what was left out of it: (channel, reason)."""

    voices: tuple[Voice, ...]
    left_out: tuple[tuple[int, str], ...] = ()


def plan_channels(
    info: AudioInfo,
    blocks: Iterable[Block],
    setting: str,
    versions: Mapping[int, str] = MappingProxyType({}),
) -> ChannelPlan:
    """Decide from ``setting``: auto, mix, each, or comma-separated 0-based indices (each of those).

    Only auto on more than one channel consumes ``blocks``, the whole decoded recording. Within a track two
    channels are each transcribed unless they hold one scene, more are mixed, and channels without any sound
    are left out. Tracks are each transcribed unless they hold one scene (mixed) or what another one does, or
    are among ``versions`` (track: reason) that stand on another track in another form.
    Raises DecodeError ``no_such_channel``.
    """
    if re.fullmatch(r"\d+(,\d+)*", setting):
        indices = tuple(dict.fromkeys(int(index) for index in setting.split(",")))
        if max(indices) >= info.n_channels:
            raise _no_such_channel(setting, info)
        return ChannelPlan(_each(indices))
    if setting not in ("auto", "mix", "each"):
        raise _no_such_channel(setting, info)
    everything = tuple(range(info.n_channels))
    if setting == "auto" and info.n_channels > 1:
        return _plan_by_content(info, blocks, versions)
    return ChannelPlan(_each(everything) if setting == "each" else ((0, everything),))


def voices(block: Block, plan: ChannelPlan) -> list[tuple[int, Samples]]:
    """(channel, samples) of each voice of one block; a mix goes by its track's first channel."""
    return [
        (name, block[channels[0]] if len(channels) == 1 else block[list(channels)].mean(axis=0))
        for name, channels in plan.voices
    ]


def _each(channels: Iterable[int]) -> tuple[Voice, ...]:
    return tuple((channel, (channel,)) for channel in channels)


def _plan_by_content(info: AudioInfo, blocks: Iterable[Block], versions: Mapping[int, str]) -> ChannelPlan:
    channels = channels_of(info)
    left_out = dict(versions)
    kept = [k for k in range(len(channels)) if k not in left_out]
    levels = [Levels(len(channels[k])) for k in kept]
    likeness = Likeness(len(kept))
    for block in blocks:
        parts = [block[list(channels[k])] for k in kept]
        for part, level in zip(parts, levels, strict=True):
            level.add(part)
        if len(kept) > 1:
            likeness.add(np.stack([part.mean(axis=0) for part in parts]))
    found = {n: _within(level, channels[k]) for n, (level, k) in enumerate(zip(levels, kept, strict=True))}
    found = {n: heard for n, heard in found.items() if heard}
    repeats = likeness.repeats(list(found))
    left_out |= {kept[n]: reason for n, reason in repeats.items()}
    heard = _across({n: heard for n, heard in found.items() if n not in repeats}, likeness)
    reasons = tuple((channel, left_out[k]) for k in sorted(left_out) for channel in channels[k])
    return ChannelPlan(heard or ((0, (0,)),), reasons)


def _within(levels: Levels, channels: tuple[int, ...]) -> tuple[Voice, ...]:
    """What one track holds; nothing if it is silent."""
    live = tuple(channels[k] for k in np.flatnonzero(levels.loudest_db > DEAD_DB))
    if len(live) < 2 or (len(channels) == 2 and levels.swing_db() > SWING_DB):
        return _each(live)
    if levels.mix_db() < CANCELLED_DB:
        return ((channels[0], (channels[int(np.argmax(levels.power))],)),)
    return ((channels[0], live),)


def _across(found: dict[int, tuple[Voice, ...]], likeness: Likeness) -> tuple[Voice, ...]:
    """The voices of all tracks; those that are one each and hold one scene are mixed."""
    heard: list[tuple[int, tuple[Voice, ...]]] = []
    for n, own in found.items():
        for at, (first, theirs) in enumerate(heard):
            if len(own) == len(theirs) == 1 and likeness.is_one_scene(first, n):
                name, channels = theirs[0]
                heard[at] = (first, ((name, channels + own[0][1]),))
                break
        else:
            heard.append((n, own))
    return tuple(voice for _, own in heard for voice in own)


def _no_such_channel(setting: str, info: AudioInfo) -> DecodeError:
    return DecodeError(
        "no_such_channel",
        f"channels = {setting!r}, but the recording has {info.n_channels} (0 to {info.n_channels - 1})",
        "set channels to auto, mix, each, or comma-separated indices within the recording",
    )
