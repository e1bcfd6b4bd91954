"""What is current: what to do about each recording, and why, by what the tables hold of it.

A transcript is current while its source, its settings hash and the model that its own language, region and
service lead to are the same; a pinned one while its source is. If only a label has changed (region, service,
speakers, a date that the manifest gives), the row is relabelled, not transcribed. A failure for good is final
until its source or settings change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from transcribe.config import Config
from transcribe.content import settings_hash
from transcribe.errors import LanguageError
from transcribe.languages import UNDETERMINED, WHISPER
from transcribe.models.registry import Registry
from transcribe.types import Recording

TRANSCRIPT_COLUMNS = (
    *("recording_id", "source_version", "fingerprint", "language", "region", "service", "date"),
    *("model", "model_revision", "engine", "duration_s", "language_source", "pinned", "speakers"),
)
"""Of a transcript, what a plan takes."""

MIN_REDONE = 100
"""So many published recordings may always be done again, whatever share of all they are."""

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Decision:
    """What to do about a recording; to transcribe has a reason.

    ``new``; ``retried``: failed before, may succeed now; ``source``, ``settings`` (hints, too), ``model``:
    its published transcript is no longer current; ``change`` says from which model to which.
    """

    action: Literal["transcribe", "relabel", "done", "give_up"]
    reason: Literal["", "new", "retried", "source", "settings", "model"] = ""
    change: str = ""

    @property
    def is_redo(self) -> bool:
        """Is a published transcript made again?"""
        return self.reason in ("source", "settings", "model")


class Rule:
    """Decides under one registry and one configuration."""

    def __init__(self, registry: Registry, config: Config) -> None:
        self._registry, self._config = registry, config
        self._hash = cache(self._hash_in)
        self._unspoken = cache(self._languages_without_model)
        self._routed = cache(self._models_of_any_language)
        self._only = cache(lambda name: frozenset({name}))  # one for a million recordings

    def decide(self, recording: Recording, transcript: Row | None, failure: Row | None) -> Decision:
        """By the recording's rows of the two tables; None where it has none."""
        decision = self._of_transcript(recording, transcript) if transcript else None
        if decision and decision.action != "transcribe":
            return decision
        if failure and self._is_final(recording, failure):
            return Decision("give_up")
        return decision or Decision("transcribe", "retried" if failure else "new")

    def settings_hash(self, recording: Recording) -> str:
        """The ``fingerprint`` of its transcript."""
        return self._hash(self._prior_region(recording), *self._hints(recording))

    def failure_hash(self, recording: Recording, error: str) -> str:
        """The ``fingerprint`` of its failure: another model cures only a language that had none."""
        hints = self._hints(recording)
        if error == "unsupported_language":
            hints = (*hints, self._unspoken(recording.region, recording.service))
        return self._hash(self._prior_region(recording), *hints)

    def labels(self, recording: Recording) -> dict[str, str | None]:
        """The columns that are set without transcribing."""
        return labels(recording)

    def identifier(self, recording: Recording) -> str | None:
        """Name of the model that identifies its language, or checks its hint; None where none does."""
        identified = self._registry.is_identified(recording, self._config)
        return self._config.language.model if identified else None

    def possible_models(self, recording: Recording) -> frozenset[str]:
        """Names of the models that may transcribe it: more than one only while its language is open."""
        registry, override = self._registry, self._config.model
        if self.is_hinted(recording):
            hint = registry.usable_hint(recording, override)
            return self._only(registry.model_name(recording, hint, override))
        return self._routed(recording.region, recording.service)

    def is_hinted(self, recording: Recording) -> bool:
        """Does its hint alone decide what it is decoded in?"""
        hint = self._registry.usable_hint(recording, self._config.model)
        return hint is not None and self._config.language.mode == "recording"

    def _models_of_any_language(self, region: str, service: str | None) -> frozenset[str]:
        override, fallback = self._config.model, self._config.language.fallback_model
        allowed = self._registry.config_for(region, self._config).language.allowed
        languages = (UNDETERMINED, *(allowed or WHISPER))
        routed = {override or self._registry.route(code, region, service) for code in languages}
        return frozenset(routed | ({fallback} if fallback else set()))

    def _hash_in(self, region: str, *hints: str | None) -> str:
        return settings_hash(self._registry.config_for(region, self._config), *hints)

    def _prior_region(self, recording: Recording) -> str:
        """The region whose languages and prior count: none where a hint alone decides."""
        return "" if self.is_hinted(recording) else recording.region

    def _hints(self, recording: Recording) -> tuple[str | None, ...]:
        """What ``content.settings_hash`` takes beside the configuration."""
        hinted = self.is_hinted(recording)
        entry = None if hinted else self._registry.get(self._config.language.model)
        return entry.identity if entry else None, recording.language, recording.channels

    def _languages_without_model(self, region: str, service: str | None) -> str:
        def has_model(language: str) -> bool:
            name = self._config.model or self._registry.route(language, region, service)
            return self._registry.get(name).speaks(language)

        return ",".join(sorted(language for language in WHISPER if not has_model(language)))

    def _is_final(self, recording: Recording, failure: Row) -> bool:
        return (
            not failure["retryable"]
            and failure["source_version"] == recording.source_version
            and failure["fingerprint"] == self.failure_hash(recording, failure["error"])
        )

    def _of_transcript(self, recording: Recording, row: Row) -> Decision:
        if row["source_version"] != recording.source_version:
            return Decision("transcribe", "source")
        if not self._is_held(row):
            if row["fingerprint"] != self.settings_hash(recording):
                return Decision("transcribe", "settings")
            change = self._change_of_model(recording, row)
            if change:
                return Decision("transcribe", "model", change)
        return Decision("done" if self.labels(recording).items() <= row.items() else "relabel")

    def _is_held(self, row: Row) -> bool:
        """Does it stay whatever the settings are?"""
        return bool(row["pinned"])

    def _change_of_model(self, recording: Recording, row: Row) -> str:
        """From which model to which the route of the row's own language has moved; "" if it has not."""
        fallback = self._config.language.fallback_model
        try:
            if row["language_source"] == "fallback" and row["language"] != UNDETERMINED and fallback:
                entry = self._registry.get(fallback)
            else:
                entry = self._registry.entry_for(recording, row["language"], self._config.model)
        except LanguageError:  # identified as it was before, it would only fail: better this text than none
            return ""
        was = row["model"], row["model_revision"], row["engine"]
        now = entry.name, entry.version, entry.engine
        if was[0] == now[0]:
            differing = [f"{_short(a)} → {_short(b)}" for a, b in zip(was, now, strict=True) if a != b]
            return f"{was[0]} {', '.join(differing)}" if differing else ""
        return f"{was[0]} → {now[0]}"


class Asked(Rule):
    """Decides about recordings that somebody asks for now: no pin holds and no failure is final.

    ``pin`` says why they shall stay as they are then; None: they follow the settings.
    """

    def __init__(self, registry: Registry, config: Config, pin: str | None) -> None:
        super().__init__(registry, config)
        self._pin = pin

    def labels(self, recording: Recording) -> dict[str, str | None]:
        return {**super().labels(recording), "pinned": self._pin}

    def _is_held(self, row: Row) -> bool:
        return False

    def _is_final(self, recording: Recording, failure: Row) -> bool:
        return False


def _short(version: str) -> str:
    """A commit's hash in a dozen digits, with what follows it: the hash of a model's own settings."""
    revision, plus, own = version.partition("+")
    return revision[:12] + plus + own


def labels(recording: Recording) -> dict[str, str | None]:
    """The columns that are the manifest's word alone; a date that it does not give is no label."""
    given = {"region": recording.region, "service": recording.service, "speakers": recording.speakers}
    return {**given, "date": recording.date} if recording.date_given else given


def is_too_much(n_redone: int, n_published: int, max_share: float) -> bool:
    """Would so many of the published recordings be done again that someone must say so first?"""
    return n_redone > MIN_REDONE and n_redone > max_share * n_published
