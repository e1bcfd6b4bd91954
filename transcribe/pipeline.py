"""All stages on one recording, in order and without Spark: the shortest way to read what the job does.

``jobs/night/wave.py`` runs the same functions spread over a cluster; the transcript is the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from transcribe.clock import Pcm
from transcribe.config import Config
from transcribe.decoding import identify as language
from transcribe.decoding.decoder import Decoder, Job
from transcribe.engines.base import Engine, LanguageIdentifier, identifier
from transcribe.models.registry import ModelEntry, Registry
from transcribe.speech.segmenting import segment_recording
from transcribe.text import script as chinese
from transcribe.transcript.merge import merge
from transcribe.types import Chunk, LanguageScores, Recording, Segmentation, Transcript

LoadEngine = Callable[[ModelEntry], Engine]


def transcribe_recording(
    recording: Recording, path: Path, config: Config, registry: Registry, load_engine: LoadEngine
) -> Transcript:
    """The transcript of the file at ``path``. Raises ``RecordingError`` when it cannot be done."""
    chunks: list[tuple[Chunk, Pcm]] = []
    heard: Segmentation | None = None
    for item in segment_recording(recording, path, config):
        if isinstance(item, Segmentation):
            heard = item
        else:
            chunks.append(item)
    assert heard is not None  # segmenting ends with it
    hint = registry.usable_hint(recording, config.model)
    voted = (
        {} if hint else _vote(chunks, config, identifier(load_engine(registry.get(config.language.model))))
    )
    spoken = language.speech_by_channel((chunk.channel, chunk.speech_s) for chunk, _ in chunks)
    of_channel, code, prob, source = language.decide(hint, voted, spoken, config.language)
    entry = registry.entry_for(recording, code, config.model)
    jobs = [Job(chunk, pcm, of_channel[chunk.channel]) for chunk, pcm in chunks]
    decoded = Decoder(load_engine(entry), entry.applied_to(config)).decode(jobs) if jobs else []
    script = chinese.script_of(recording, config.language.chinese_script)
    return merge(recording, heard, chinese.in_script(decoded, script), code, prob, source)


def _vote(
    chunks: list[tuple[Chunk, Pcm]], config: Config, engine: LanguageIdentifier
) -> dict[int, tuple[str, float]]:
    """Language and probability of each channel with speech."""
    speech_s: dict[int, dict[int, float]] = defaultdict(dict)
    for chunk, _ in chunks:
        speech_s[chunk.channel][chunk.index] = chunk.speech_s
    chosen = {c: set(language.choose_chunks(by_index, config.language)) for c, by_index in speech_s.items()}
    voters = [Job(chunk, pcm, None) for chunk, pcm in chunks if chunk.index in chosen[chunk.channel]]
    scores = engine.identify_language([job.audio for job in voters])
    ballots: dict[int, list[tuple[LanguageScores, float]]] = defaultdict(list)
    for job, score in zip(voters, scores, strict=True):
        ballots[job.chunk.channel].append((score, job.chunk.speech_s))
    return {channel: language.vote(votes, config.language) for channel, votes in ballots.items()}
