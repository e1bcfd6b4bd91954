"""What is told of each channel of a recording apart."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ChannelLanguage:
    """In which language most of a channel's speech is decoded."""

    channel: int
    language: str
    prob: float  # 1 for a hint, else of the channel's own vote


@dataclass(frozen=True)
class ChannelSummary:
    """What was heard on one channel that was listened to."""

    channel: int
    speaker: str
    language: str  # und without speech
    language_prob: float
    speech_s: float
    covered_s: float  # near a published word
    n_words: int  # published
    is_mix: bool = False  # of several channels: names of speakers do not apply
