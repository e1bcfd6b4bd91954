"""Who speaks on which channel, and what was heard there."""

from __future__ import annotations

import pytest

from transcribe.transcript.speakers import speaker_of, summaries
from transcribe.types import ChannelLanguage, Dropped, Segment, Segmentation, SpokenLanguage, Utterance, Word


@pytest.mark.parametrize(
    ("speakers", "n_channels", "named"),
    [
        (None, 2, ["channel_0", "channel_1"]),
        ("agent,customer", 2, ["agent", "customer"]),
        (" agent , customer ", 2, ["agent", "customer"]),
        (",customer", 2, ["channel_0", "customer"]),
        ("agent", 2, ["agent", "channel_1"]),
        ("agent", 1, ["agent"]),
        ("agent,customer", 1, ["channel_0"]),
        ("a,b,c", 2, ["channel_0", "channel_1"]),
    ],
)
def test_names_go_by_the_order_of_channels(speakers: str | None, n_channels: int, named: list[str]) -> None:
    assert [speaker_of(n, speakers, n_channels, False) for n in range(n_channels)] == named


def test_a_mix_has_no_name() -> None:
    assert speaker_of(0, "agent,customer", 2, True) == "channel_0"


def utterance(channel: int, verdict: str, *texts: str) -> Utterance:
    words = tuple(Word(text, 0.0, 1.0, 0.9) for text in texts)
    return Utterance(0.0, 1.0, channel, "x", "en", " ".join(texts), -0.1, None, 1.0, verdict, words)


def test_each_channel_that_was_listened_to_is_summed_up_also_a_silent_one() -> None:
    segments = (Segment(0, 0.0, 2.0), Segment(0, 3.0, 4.0), Segment(2, 1.0, 2.5))
    heard = Segmentation("r", 5.0, 4, segments, 2, channels=(0, 1, 2), mixed=(2,))
    languages = (ChannelLanguage(0, "en", 0.87654), ChannelLanguage(2, "es", 1.0))
    spoken = SpokenLanguage("en", 0.9, "vote", of_channel=languages)
    said = [
        utterance(0, "ok", "hello", "there"),
        utterance(0, "rejected:loop", "la", "la"),
        utterance(2, "doubtful:loop", "hola"),
    ]
    dropped = [Dropped(0, 3.0, 4.0, "rejected:loop"), Dropped(3, 0.0, 0.0, "track_copy")]
    first, silent, mix = summaries(heard, spoken, said, dropped, "agent,,customer")
    assert (first.channel, first.speaker, first.language, first.language_prob) == (0, "agent", "en", 0.8765)
    assert (first.speech_s, first.covered_s, first.n_words, first.is_mix) == (3.0, 2.0, 2, False)
    assert (silent.channel, silent.speaker, silent.language) == (1, "channel_1", "und")
    assert (silent.speech_s, silent.covered_s, silent.n_words) == (0.0, 0.0, 0)
    assert (mix.speaker, mix.language, mix.n_words, mix.is_mix) == ("channel_2", "es", 1, True)


def test_text_without_word_times_has_words_all_the_same() -> None:
    heard = Segmentation("r", 5.0, 1, (Segment(0, 0.0, 2.0),), 1)
    bare = Utterance(0.0, 2.0, 0, "x", "en", "one two three", -0.1, None, 1.0, "ok", ())
    (only,) = summaries(heard, SpokenLanguage("en", 1.0, "hint"), [bare], [], None)
    assert (only.channel, only.n_words) == (0, 3)
