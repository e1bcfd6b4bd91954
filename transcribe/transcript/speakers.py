"""What was heard on each channel, and who speaks there: names from the manifest's ``speakers``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from transcribe.languages import UNDETERMINED
from transcribe.types import (
    ChannelLanguage,
    ChannelSummary,
    Dropped,
    Segmentation,
    SpokenLanguage,
    Utterance,
)


def speaker_of(channel: int, speakers: str | None, n_channels: int, is_mix: bool) -> str:
    """The name that ``speakers`` ("agent,customer") gives the channel, else ``channel_0``, ``channel_1``, …

    Names go by the channels' order in the file; a blank one names nobody. A mix of several channels has no
    name, and more names than channels name none: two people on one channel are not told apart.
    """
    names = (speakers or "").split(",")
    if not is_mix and channel < len(names) <= n_channels and names[channel].strip():
        return names[channel].strip()
    return f"channel_{channel}"


def summaries(
    heard: Segmentation,
    spoken: SpokenLanguage,
    utterances: Sequence[Utterance],
    dropped: Sequence[Dropped],
    speakers: str | None,
) -> tuple[ChannelSummary, ...]:
    """One of each channel that was listened to; seconds and words add up to the transcript's."""
    languages = {one.channel: one for one in spoken.of_channel}
    found = []
    for channel in sorted({*heard.channels, *(segment.channel for segment in heard.segments)}):
        is_mix = channel in heard.mixed
        speech_s = sum(segment.duration_s for segment in heard.segments if segment.channel == channel)
        dropped_s = sum(one.end_s - one.start_s for one in dropped if one.channel == channel)
        decoded_in = languages.get(channel, ChannelLanguage(channel, UNDETERMINED, 0.0))
        found.append(
            ChannelSummary(
                channel=channel,
                speaker=speaker_of(channel, speakers, heard.n_channels, is_mix),
                language=decoded_in.language,
                language_prob=round(decoded_in.prob, 4),
                speech_s=round(speech_s, 3),
                covered_s=round(max(0.0, speech_s - dropped_s), 3),
                n_words=sum(_n_words(u) for u in utterances if u.channel == channel and u.published),
                is_mix=is_mix,
            )
        )
    return tuple(found)


def renamed(row: Mapping[str, Any], speakers: str | None) -> dict[str, Any]:
    """``utterances`` and ``channels`` of a ``transcripts`` row with the names that ``speakers`` gives.

    A row from before schema version 3 has no channels: unless it has several, its one may be a mix.
    """
    utterances, channels = row["utterances"], row["channels"]
    mixed = {one["channel"] for one in channels or () if one["is_mix"]}
    if channels is None and row["n_channels"] > 1 and not any(one["channel"] for one in utterances):
        mixed = {0}

    def named(one: Mapping[str, Any]) -> dict[str, Any]:
        channel = one["channel"]
        return {**one, "speaker": speaker_of(channel, speakers, row["n_channels"], channel in mixed)}

    return {
        "utterances": list(map(named, utterances)),
        "channels": None if channels is None else list(map(named, channels)),
    }


def _n_words(utterance: Utterance) -> int:
    return len(utterance.words) or len(utterance.text.split())
