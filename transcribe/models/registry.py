"""Which models there are, and which of them transcribes a recording. The data is ``conf/models/``."""

from __future__ import annotations

import hashlib
import json
import logging
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PrivateAttr, ValidationError, field_validator, model_validator

from transcribe.config import Config
from transcribe.engines.names import ENGINES
from transcribe.errors import ConfigError, LanguageError
from transcribe.languages import UNDETERMINED, whisper_code
from transcribe.layers import CONF, shipped
from transcribe.models import reading
from transcribe.models.auto import AUTO, CANDIDATES, choose_engine
from transcribe.models.consistency import problems
from transcribe.models.history import Event, Measurement
from transcribe.models.own_decode import ModelDecode
from transcribe.models.profiles import Region, Service
from transcribe.models.routes import Route, Routing
from transcribe.models.safe_files import refuse_names
from transcribe.models.sources import FileName, Source, Strict, WheelSource, located
from transcribe.models.traits import Traits
from transcribe.section import LanguageCode
from transcribe.types import SAMPLE_RATE, Recording

log = logging.getLogger(__name__)

DEFAULT_PATH = CONF / "models"

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
"""Of a model; it becomes a file's name."""
Name = Annotated[str, Field(pattern=NAME)]


class Weights(Strict):
    """Named files of a network. ``files``: name → sha256; ``sources``: tried in order.

    ``stage``: candidate (runs when named), production (routes may lead to it) or retired (refused).
    """

    name: Name
    revision: str
    licence: str
    stage: Literal["candidate", "production", "retired"]
    files: dict[FileName, Sha256]
    sources: list[Source]
    metrics: list[Measurement] = Field(default_factory=list)
    history: list[Event] = Field(default_factory=list)
    notes: str = ""

    @field_validator("files")
    @classmethod
    def _no_pickles(cls, files: dict[str, str]) -> dict[str, str]:
        if refusal := refuse_names(files):
            raise ValueError(refusal)
        return files

    @model_validator(mode="after")
    def _members_cover_files(self) -> Weights:
        for source in self.sources:
            if isinstance(source, WheelSource) and set(source.members) != set(self.files):
                raise ValueError(f"members of {source} must name exactly the files {sorted(self.files)}")
        return self


class ModelEntry(Weights):
    """A model that transcribes. ``languages``: Whisper's codes, None for all but ``lacks``.

    ``engine``: one of ``engines.names``, or auto until ``Registry.of`` has chosen (``models.auto``).
    ``sample_rate``: that it was trained on. ``multilingual``: it can tell languages apart. ``decode``: its
    own settings, before the configuration's. ``traits``: what its engine must know of its network.
    ``align_with``: models that time its words where its engine does not; the first that speaks a chunk's
    language does, and without one the words have no times.
    """

    engine: str
    sample_rate: int = SAMPLE_RATE
    multilingual: bool
    languages: list[LanguageCode] | None
    lacks: list[LanguageCode] = Field(default_factory=list)
    decode: ModelDecode = Field(default_factory=dict)
    traits: Traits = Traits()
    align_with: tuple[Name, ...] = ()
    _aligners: tuple[ModelEntry, ...] = PrivateAttr(default=())  # those of align_with; the registry sets them

    @field_validator("sample_rate")
    @classmethod
    def _hears_what_is_decoded(cls, sample_rate: int) -> int:
        if sample_rate != SAMPLE_RATE:
            raise ValueError(f"all audio is decoded at {SAMPLE_RATE} samples a second")
        return sample_rate

    @field_validator("engine")
    @classmethod
    def _engine_exists(cls, engine: str) -> str:
        if engine not in ENGINES and engine != AUTO:
            raise ValueError(f"unknown engine; known: {AUTO}, {', '.join(sorted(ENGINES))}")
        return engine

    @model_validator(mode="after")
    def _traits_are_read(self) -> ModelEntry:
        """By the entry's engine, or one that may be chosen: a trait that it would ignore is an error."""
        engines = CANDIDATES if self.engine == AUTO else (self.engine,)
        if ignored := self.traits.given.difference(*(ENGINES[engine].traits for engine in engines)):
            raise ValueError(f"the engine {self.engine} reads no {', '.join(sorted(ignored))}")
        return self

    @model_validator(mode="after")
    def _one_language_or_several(self) -> ModelEntry:
        if not self.multilingual and len(self.languages or []) != 1:
            raise ValueError("a model that is not multilingual has one language")
        return self

    @property
    def aligners(self) -> tuple[ModelEntry, ...]:
        return self._aligners

    @property
    def cost(self) -> float | None:
        """Core seconds a second of audio, as measured last; None: never."""
        latest = sorted(self.metrics, key=lambda one: one.date, reverse=True)
        return next((one.cost for one in latest if one.cost), None)

    @property
    def tells_languages(self) -> bool:
        """Can it say which language is spoken?"""
        return self.multilingual and ENGINES[self.engine].identifies_languages

    def speaks(self, language: str | None) -> bool:
        """Whether it may get audio in ``language``; None: any language may come."""
        return language not in self.lacks and (self.languages is None or language in self.languages)

    @property
    def version(self) -> str:
        """Its revision and, if it has any, a hash of its own settings, traits and aligners: others may give
        other texts or times."""
        own = self.decode | self.traits.model_dump(exclude_none=True)
        if self.align_with:
            own |= {"align_with": [(one.name, one.version, one.engine) for one in self.aligners]}
        digest = hashlib.sha256(json.dumps(own, sort_keys=True).encode()).hexdigest()[:8]
        return f"{self.revision}+{digest}" if own else self.revision

    @property
    def identity(self) -> str:
        return f"{self.name}@{self.version}/{self.engine}"

    def aligned_with(self, aligners: tuple[ModelEntry, ...]) -> ModelEntry:
        """The same, knowing the entries of its ``align_with``."""
        entry = self.model_copy()
        entry._aligners = aligners
        return entry

    def with_engine(self, config: Config) -> ModelEntry:
        """The same, and with auto the engine that was chosen, which is told."""
        if self.engine != AUTO:
            return self
        engine, reason = choose_engine(self.files, config)
        log.info("%s: engine %s, since %s", self.name, engine, reason)
        return self.model_copy(update={"engine": engine})

    def applied_to(self, config: Config) -> Config:
        """The configuration under which this model decodes: its own ``decode`` settings win."""
        return config.model_copy(update={"decode": config.decode.model_copy(update=self.decode)})


class Registry(Strict):
    """All models and routes, and a fleet's regions and services; without these any name may be one.

    Built only by ``load`` and ``of``; immutable and picklable.
    """

    default: str
    routes: list[Route]
    models: dict[Name, ModelEntry]
    regions: dict[Name, Region] = Field(default_factory=dict)
    services: dict[Name, Service] = Field(default_factory=dict)

    @classmethod
    def of(cls, config: Config) -> Registry:
        """The registry of a configuration, whose models must be fit for what it wants of them.

        Raises ConfigError naming the key, the value and the remedy.
        """
        registry = cls.read(config)
        models = {name: entry.with_engine(config) for name, entry in registry.models.items()}
        registry = registry.model_copy(update={"models": models})
        if config.model is not None:
            registry.get(config.model)
        identifying = registry.get(config.language.model, "language.model")
        if not identifying.multilingual:
            raise ConfigError(
                "language.model", identifying.name, "knows one language only; name a multilingual model"
            )
        if not ENGINES[identifying.engine].identifies_languages:
            raise ConfigError(
                "language.model",
                identifying.name,
                f"the engine {identifying.engine} cannot identify languages",
            )
        fallback = config.language.fallback_model
        if fallback is not None and not registry.get(fallback, "language.fallback_model").multilingual:
            raise ConfigError(
                "language.fallback_model", fallback, "knows one language only; name a multilingual model"
            )
        return registry

    @classmethod
    def read(cls, config: Config) -> Registry:
        """What a configuration's files say, whatever it wants of them. Raises ConfigError."""
        fleet = (shipped(path) if path else None for path in (config.regions, config.services))
        registry = cls.load(shipped(config.models), *fleet)
        models = located(registry.models, config.storage)
        for name, entry in models.items():  # their sources are elsewhere now, too
            models[name] = entry.aligned_with(tuple(models[one] for one in entry.align_with))
        return registry.model_copy(update={"models": models})

    @classmethod
    def load(cls, path: str | Path, regions: Path | None = None, services: Path | None = None) -> Registry:
        """The registry in a YAML file, or in all of a folder as if they were one, with the regions and
        services of two files. Raises ConfigError, with file and line."""
        whole = reading.read(Path(path), regions, services)
        try:
            return cls.model_validate(whole.content)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"]) or "models"
            value = str(path) if isinstance(first["input"], dict) else first["input"]
            remedy = first["msg"].removeprefix("Value error, ")
            raise ConfigError(key, value, f"{remedy} (in {whole.at(*first['loc'])})") from error

    @model_validator(mode="after")
    def _consistent(self) -> Registry:
        for key, model in self.models.items():
            if model.name != key:
                raise ValueError(f"model {key!r} calls itself {model.name!r}: leave `name` out")
        found = list(problems(self))
        if found:
            raise ValueError(found[0] + (f"; and {len(found) - 1} more like it" if found[1:] else ""))
        for name, model in self.models.items():
            if model.align_with:
                self.models[name] = model.aligned_with(tuple(self.models[one] for one in model.align_with))
        return self

    @property
    def all_routes(self) -> list[Route]:
        """The default's is the last."""
        return [*self.routes, Route(model=self.default, at="default")]

    @cached_property
    def routing(self) -> Routing:
        return Routing(self.all_routes)

    def _known(self) -> str:
        return ", ".join(sorted(self.models))

    def get(self, name: str, key: str = "model") -> ModelEntry:
        """The entry of that name, which the setting ``key`` wants run; ConfigError if unknown or retired."""
        entry = self.find(name, key)
        if entry.stage == "retired":
            raise ConfigError(key, name, "is retired; use another model, or change its stage in the registry")
        if entry.engine in ENGINES and not ENGINES[entry.engine].transcribes:
            raise ConfigError(key, name, "only times words: name it in the align_with of a model")
        return entry

    def find(self, name: str, key: str = "model") -> ModelEntry:
        """The entry of that name, retired or not; ConfigError if unknown."""
        if name not in self.models:
            raise ConfigError(key, name, f"not in the registry; use one of: {self._known()}")
        return self.models[name]

    def route(self, language: str | None, region: str | None, service: str | None) -> str:
        """The name of the model for a recording; None where a property is not known."""
        return self.routing.choose(language, region or None, service).model

    def config_for(self, region: str, config: Config) -> Config:
        """The configuration for recordings of a region: its languages and prior win."""
        profile = self.regions.get(region)
        if profile is None:
            return config
        given = {"allowed": profile.languages, "prior": profile.prior}
        told = {key: value for key, value in given.items() if value}
        return config.model_copy(update={"language": config.language.model_copy(update=told)})

    def model_name(self, recording: Recording, language: str | None, override: str | None) -> str:
        """``override`` (the ``model`` setting) if given, else the routes' choice."""
        return override or self.route(language, recording.region, recording.service)

    def usable_hint(self, recording: Recording, override: str | None) -> str | None:
        """Whisper's code of the hint, if its region hears it and its model speaks it; else identify."""
        hint = recording.language and whisper_code(recording.language)
        if not hint or not self.regions.get(recording.region, Region()).hears(hint):
            return None
        return hint if self.get(self.model_name(recording, hint, override)).speaks(hint) else None

    def is_identified(self, recording: Recording, config: Config) -> bool:
        """Is its language identified before it is decoded? With a hint that can be used: to check it where
        its own model cannot tell, and to find where the language changes."""
        hint = self.usable_hint(recording, config.model)
        if hint is None or config.language.mode == "segment":
            return True
        entry = self.get(self.model_name(recording, hint, config.model))
        return config.language.check_hints and not entry.tells_languages

    def entry_for(self, recording: Recording, language: str, override: str | None) -> ModelEntry:
        """The model of a recording in ``language`` (``und``: no speech), with its route's decode settings.

        Raises ``LanguageError``.
        """
        entry = self.get(self.model_name(recording, language, override))
        if language != UNDETERMINED and not entry.speaks(language):
            raise LanguageError(
                "unsupported_language",
                f"language {language} is routed to {entry.name}, which does not speak it",
                "add a route for it in the model registry, or choose a multilingual model",
            )
        chosen = self.routing.choose(language, recording.region or None, recording.service)
        return entry.model_copy(update={"decode": entry.decode | chosen.decode}) if chosen.decode else entry
