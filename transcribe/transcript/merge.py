"""All chunks of one recording as one transcript."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from transcribe.transcript.coverage import measure
from transcribe.transcript.crosstalk import without_crosstalk
from transcribe.transcript.speakers import summaries
from transcribe.transcript.utterances import utterances_of
from transcribe.types import Decoded, Recording, Segmentation, SpokenLanguage, Transcript


def merge(
    recording: Recording,
    heard: Segmentation,
    decoded: Sequence[Decoded],
    spoken: SpokenLanguage,
) -> Transcript:
    """All chunks of one recording as one transcript: utterances of all channels by start time.

    ``decoded`` may come in any order. Without chunks the transcript has empty text.
    """
    ordered = sorted(decoded, key=lambda d: (d.chunk.channel, d.chunk.pieces[0].start_s))
    utterances = [u for d in ordered for u in utterances_of(d, heard.duration_s)]
    utterances.sort(key=lambda u: (u.start_s, u.channel, u.end_s))
    utterances = without_crosstalk(utterances)
    coverage = measure(heard.segments, ordered, utterances)
    channels = summaries(heard, spoken, utterances, coverage.dropped, recording.speakers)
    speakers = {one.channel: one.speaker for one in channels}
    return Transcript(
        recording=recording,
        duration_s=round(heard.duration_s, 3),
        n_channels=heard.n_channels,
        language=spoken.language,
        language_prob=round(spoken.prob, 4),
        language_source=spoken.source,
        text=" ".join(u.text for u in utterances if u.published),
        utterances=tuple(replace(u, speaker=speakers.get(u.channel, u.speaker)) for u in utterances),
        coverage=replace(coverage, dropped=coverage.dropped + heard.left_out),
        heard=spoken.heard,
        contradicted_s=spoken.contradicted_s,
        channels=channels,
    )
