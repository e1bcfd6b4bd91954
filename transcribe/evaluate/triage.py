"""One recording again, stage by stage and with one thing changed at a time: where does its text go wrong?

Every variant is a whole run of the library; what is compared is its text: with the true one where that is
known, else with the text as the settings give it.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from transcribe import pipeline
from transcribe.audio.decode import Block
from transcribe.audio.process import blocks, probe
from transcribe.clock import Pcm
from transcribe.config import Config
from transcribe.decoding.decoder import Job
from transcribe.decoding.identify import best, choose_chunks, likely, mean
from transcribe.decoding.listen import listen
from transcribe.engines.base import Device, identifier
from transcribe.engines.cache import EngineCache
from transcribe.errors import RecordingError
from transcribe.evaluate.score import digit_errors
from transcribe.evaluate.word_error import ErrorCount, count_errors
from transcribe.languages import whisper_code
from transcribe.models.registry import Registry
from transcribe.speech.segmenting import segment_recording
from transcribe.types import SAMPLE_RATE, Chunk, Failure, LanguageScores, Recording, Transcript

QUIET_DB, MAX_CLIPPED = -50.0, 0.01
HELPS = 0.2
"""So much fewer errors, and at least MIN_FEWER of them, and a variant is better."""
MIN_FEWER = 2
RUNNER_UP_PROB = 0.1
"""The second likeliest language is tried if it is at least this likely."""
DIFFERS = 0.1
"""Without a true text: so large a share of other words, and the text hangs on what was changed."""


@dataclass(frozen=True)
class Variant:
    """One thing changed. ``stage``: where the fault lies if that is better."""

    name: str
    stage: str
    settings: dict[str, Any]
    drop_hint: bool = False
    hint: str | None = None  # instead of the recording's own


@dataclass(frozen=True)
class Tried:
    """What a variant gave; errors against the true text, else against the first variant's."""

    variant: Variant
    transcript: Transcript | None
    failure: Failure | None
    errors: ErrorCount
    digits: ErrorCount | None = None  # errors of digits alone, if there are some

    @property
    def text(self) -> str:
        return self.transcript.text if self.transcript else ""


@dataclass(frozen=True)
class Votes:
    """Languages of one chunk, most probable first."""

    channel: int
    start_s: float
    end_s: float
    probs: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Findings:
    """All that was looked at, and at which stage the text goes wrong."""

    recording: Recording
    truth: str | None
    facts: dict[str, str]
    warnings: list[str]  # of the audio
    votes: list[Votes]
    tried: list[Tried]
    stage: str
    why: str

    @property
    def conclusion(self) -> str:
        """What ``stage`` is: without the true text a change shows only what the text hangs on."""
        is_guess = self.truth is None and self.tried and not self.tried[0].failure
        return "hangs on" if is_guess else "goes wrong at"


def variants(
    config: Config, hinted: bool, models: Sequence[str], runner_up: str | None = None
) -> list[Variant]:
    """Return what is tried, in the order of the stages; the first is the settings as they are.

    ``runner_up`` is another language that the recording may be in.
    """
    beam = 2 * config.decode.beam_size
    return [
        Variant("as configured", "", {}),
        Variant("more sensitive VAD", "vad", {"vad.threshold": 0.2, "vad.neg_threshold": 0.1}),
        *([Variant("language identified", "language", {}, drop_hint=True)] if hinted else []),
        *([Variant(f"language {runner_up}", "language", {}, hint=runner_up)] if runner_up else []),
        Variant("full context", "decoding", {"decode.full_context": True}),
        Variant(f"beam {beam}", "decoding", {"decode.beam_size": beam}),
        Variant("without repair", "guards", {"guards.repair": False}),
        *(Variant(f"model {name}", "model", {"model": name}) for name in models),
    ]


def triage(
    recording: Recording, path: Path, config: Config, models: Sequence[str] = (), truth: str | None = None
) -> Findings:
    """``path``: the recording's file; ``models``: others of the registry to try. A bad file is a finding.

    Raises ConfigError for a model that is not there, ModelError without weights.
    """
    facts, warnings = audio_facts(path, config)
    if "error" in facts:
        return Findings(recording, truth, facts, warnings, [], [], "audio", facts["error"])
    hinted = recording.language is not None
    for variant in variants(config, hinted, models):
        Registry.of(_changed(config, variant))  # a model that is not there is told before work begins
    engines = EngineCache()
    try:
        votes = language_votes(recording, path, config, Registry.of(config), engines)
        planned = variants(config, hinted, models, runner_up(votes, recording, config))
        configs = [_changed(config, variant) for variant in planned]
        registries = [Registry.of(one) for one in configs]
        outcomes = [
            _run(recording, variant, settings, registry, engines)
            for variant, settings, registry in zip(planned, configs, registries, strict=True)
        ]
    finally:
        engines.close()
    heard = next((one.language for one in outcomes if isinstance(one, Transcript)), "en")
    language = whisper_code(recording.language) if recording.language else heard
    first = outcomes[0].text if isinstance(outcomes[0], Transcript) else ""
    wanted = first if truth is None else truth
    tried = [
        _tried(variant, outcome, wanted, language) for variant, outcome in zip(planned, outcomes, strict=True)
    ]
    stage, why = conclusion(tried, warnings, truth is not None)
    return Findings(recording, truth, facts, warnings, votes, tried, stage, why)


def conclusion(tried: Sequence[Tried], warnings: Sequence[str], has_truth: bool) -> tuple[str, str]:
    """(stage, why): the first stage at which a change makes the text clearly better, or another one."""
    base = tried[0]
    if base.failure:
        return base.failure.stage, f"{base.failure.error}: {base.failure.message}"
    for one in tried[1:]:
        if one.failure:
            continue
        fewer = base.errors.errors - one.errors.errors
        if has_truth and fewer >= max(MIN_FEWER, HELPS * base.errors.errors):
            return (
                one.variant.stage,
                f"{one.variant.name}: {one.errors.errors} errors instead of {base.errors.errors}",
            )
        if not has_truth and one.errors.rate > DIFFERS:
            return one.variant.stage, f"{one.variant.name}: {one.errors.rate:.0%} of the words are others"
    if has_truth and base.errors.errors == 0:
        return "none", "the text is right"
    if warnings:
        return "audio", "; ".join(warnings)
    if has_truth:
        return (
            "model",
            f"no change helps: {base.errors.errors} errors in {base.errors.n_reference} words stay",
        )
    return (
        "none",
        f"no change makes more than {DIFFERS:.0%} of the words others: give the true text, or another model",
    )


def _changed(config: Config, variant: Variant) -> Config:
    """The configuration with the variant's settings, checked."""
    settings = config.model_dump()
    for key, value in variant.settings.items():
        section, _, name = key.rpartition(".")
        (settings[section] if section else settings)[name] = value
    return Config.model_validate(settings)


def _run(
    recording: Recording, variant: Variant, config: Config, registry: Registry, engines: EngineCache
) -> Transcript | Failure:
    is_other = variant.drop_hint or variant.hint is not None
    asked = replace(recording, language=variant.hint) if is_other else recording
    (outcome,) = pipeline.transcribe([asked], config, registry, engines=engines)
    return outcome


def _tried(variant: Variant, outcome: Transcript | Failure, wanted: str, language: str) -> Tried:
    if isinstance(outcome, Failure):
        return Tried(variant, None, outcome, ErrorCount())
    errors = count_errors(wanted, outcome.text, language, spell_numbers=True)
    return Tried(variant, outcome, None, errors, digit_errors(wanted, outcome.text, language))


def audio_facts(path: Path, config: Config) -> tuple[dict[str, str], list[str]]:
    """What the file is and how it sounds, and what of that harms a text. In memory is one block at a time."""
    try:
        info = probe(path, config.audio)
        sounds = _sounds(blocks(path, config.audio))
    except RecordingError as error:
        return {"error": str(error)}, [str(error)]
    n_samples = max((sound.n_samples for sound in sounds), default=0)
    facts = {
        "codec": info.codec,
        "sample rate": f"{info.sample_rate} Hz",
        "channels": str(info.n_channels),
        "duration": f"{n_samples / SAMPLE_RATE:.1f} s",
    }
    warnings = []
    for channel, sound in enumerate(sounds):
        facts[f"channel {channel}"] = (
            f"{sound.level_db:.0f} dBFS, {sound.clipped:.1%} of samples at the limit"
        )
        if sound.level_db < QUIET_DB:
            warnings.append(f"channel {channel} is nearly silent ({sound.level_db:.0f} dBFS)")
        if sound.clipped > MAX_CLIPPED:
            warnings.append(f"channel {channel} is clipped ({sound.clipped:.1%} of its samples)")
    if info.sample_rate < 8000:
        warnings.append(f"a sample rate of {info.sample_rate} Hz")
    return facts, warnings


@dataclass
class _Sound:
    """Sums over one channel's samples."""

    n_samples: int = 0
    energy: float = 0.0
    n_clipped: int = 0

    @property
    def level_db(self) -> float:
        return 10 * math.log10(self.energy / max(1, self.n_samples) + 1e-12)

    @property
    def clipped(self) -> float:
        return self.n_clipped / max(1, self.n_samples)


def _sounds(audio: Iterable[Block]) -> list[_Sound]:
    """Of each channel; none without any audio."""
    found: list[_Sound] = []
    for block in audio:
        found = found or [_Sound() for _ in block]
        for sound, samples in zip(found, block, strict=True):
            sound.n_samples += len(samples)
            sound.energy += float(np.sum(np.square(samples, dtype=np.float64)))
            sound.n_clipped += int(np.count_nonzero(np.abs(samples) > 0.99))
    return found


def language_votes(
    recording: Recording, path: Path, config: Config, registry: Registry, engines: EngineCache
) -> list[Votes]:
    """Of the chunks that would vote, whether or not there is a hint; none without speech. The file is read
    twice, so that no more than these are ever in memory."""
    speech_s: dict[int, dict[int, float]] = defaultdict(dict)
    for chunk, _ in _chunks(recording, path, config):
        speech_s[chunk.channel][chunk.index] = chunk.speech_s
    voters = {(n, index) for n, some in speech_s.items() for index in choose_chunks(some, config.language)}
    chosen = [
        (chunk, pcm)
        for chunk, pcm in (_chunks(recording, path, config) if voters else ())
        if (chunk.channel, chunk.index) in voters
    ]
    if not chosen:
        return []
    engine, _ = engines.get(registry.get(config.language.model), config, Device())
    language = config.language.model_copy(update={"mode": "recording"})  # one ballot a chunk
    found = listen(
        [Job(*one, None) for one in chosen],
        identifier(engine),
        config.model_copy(update={"language": language}),
    )
    return [
        Votes(
            chunk.channel, chunk.pieces[0].start_s, chunk.pieces[-1].end_s, vote.ballots[0].scores.probs[:3]
        )
        for (chunk, _), vote in zip(chosen, found, strict=True)
    ]


def runner_up(votes: Sequence[Votes], recording: Recording, config: Config) -> str | None:
    """Return the likeliest language that is neither the hint nor the vote's first; None if it is unlikely."""
    probs = mean(
        (likely(LanguageScores(one.probs), config.language), one.end_s - one.start_s) for one in votes
    )
    hint = whisper_code(recording.language or "")
    others = {code: prob for code, prob in probs.items() if code not in (best(probs), hint)}
    return best(others) if others and max(others.values()) >= RUNNER_UP_PROB else None


def _chunks(recording: Recording, path: Path, config: Config) -> Iterator[tuple[Chunk, Pcm]]:
    return (item for item in segment_recording(recording, path, config) if isinstance(item, tuple))
