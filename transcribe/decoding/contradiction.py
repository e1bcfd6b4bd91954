"""Does a recording sound like the language that it was decoded in? A wrong hint is not published as truth."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from transcribe.config import LanguageConfig
from transcribe.decoding import identify
from transcribe.decoding.identify import follow
from transcribe.languages import macrolanguage
from transcribe.types import Decoded, SpokenLanguage, Vote
from transcribe.verdicts import Doubt, Status, Verdict

CONTRADICTED = Verdict(Status.DOUBTFUL, Doubt.LANGUAGE)


def checked(
    decoded: Sequence[Decoded], votes: Sequence[Vote], spoken: SpokenLanguage, config: LanguageConfig
) -> tuple[list[Decoded], SpokenLanguage]:
    """All chunks of a recording, in their order, those that sound like another language ``CONTRADICTED``;
    and its language with what was heard.

    By ``votes``, else by what the models heard while decoding; where nobody listened nothing is doubted. A
    chunk's neighbours count, too (``language.switch_odds``). A language that is written like the decoded one
    (of the same macrolanguage) is no contradiction. All of a short recording is ``CONTRADICTED`` where its
    vote stayed below ``language.min_prob``: another language was nearly as likely.
    """
    is_short = identify.is_short(one.chunk.speech_s for one in decoded)
    of_chunk = {(vote.channel, vote.index): vote for vote in votes}
    sounds = [_sound(one, of_chunk) for one in decoded]
    results = list(decoded)
    if spoken.source != "hint" and spoken.prob < config.min_prob and is_short:
        results = [replace(one, verdict=CONTRADICTED) if one.verdict.published else one for one in decoded]
    by_channel: dict[int, list[int]] = defaultdict(list)
    for n in sorted(range(len(decoded)), key=lambda n: decoded[n].chunk.pieces[0].start_s):
        by_channel[decoded[n].chunk.channel].append(n)
    contradicted_s = 0.0
    for places in by_channel.values():
        if not any(sounds[n] for n in places):
            continue
        heard = [
            (identify.count_sisters(sounds[n], decoded[n].hypothesis.language), decoded[n].chunk.speech_s)
            for n in places
        ]
        believed = follow(heard, config.switch_odds, start=decoded[places[0]].hypothesis.language)
        for n, language in zip(places, believed, strict=True):
            if macrolanguage(language) != macrolanguage(decoded[n].hypothesis.language):
                contradicted_s += decoded[n].chunk.speech_s
                if decoded[n].verdict.published:
                    results[n] = replace(decoded[n], verdict=CONTRADICTED)
    likeliest = identify.heard(
        (sound, one.chunk.speech_s) for sound, one in zip(sounds, decoded, strict=True)
    )
    return results, replace(spoken, heard=likeliest, contradicted_s=round(contradicted_s, 3))


def _sound(one: Decoded, votes: Mapping[tuple[int, int], Vote]) -> identify.Probs:
    """Return what a chunk sounds like: language → probability; empty if nobody listened to it."""
    if vote := votes.get((one.chunk.channel, one.chunk.index)):
        listened = [(ballot.scores, ballot.speech_s) for ballot in vote.ballots]
    else:
        heard = one.hypothesis.heard
        listened = [(heard, one.chunk.speech_s)] if heard else []
    expected = one.hypothesis.language
    return identify.mean(
        (identify.likely(scores, LanguageConfig(), expected=expected), speech_s)
        for scores, speech_s in listened
    )
