"""Why a recording gets its model and its settings: the choice among routes, step by step."""

from __future__ import annotations

from collections.abc import Iterator

from transcribe.config import Config
from transcribe.errors import ConfigError
from transcribe.models.consistency import unknown
from transcribe.models.profiles import Region
from transcribe.models.registry import Registry
from transcribe.models.routes import LEVELS, Asked, in_words


def explain(registry: Registry, config: Config, asked: Asked) -> str:
    """For people. Raises ``ConfigError`` for a region or service that the fleet does not have."""
    return "\n".join(_lines(registry, config, asked))


def _lines(registry: Registry, config: Config, asked: Asked) -> Iterator[str]:
    language, region, service = asked
    for kind, name, known in (("region", region, registry.regions), ("service", service, registry.services)):
        if name and known and name not in known:
            raise ConfigError(f"--{kind}", name, unknown(kind, name, known))
    yield in_words(asked) or "nothing known"
    if language and not registry.regions.get(region or "", Region()).hears(language):
        at = registry.regions[region or ""].at
        yield f"{region} does not hear {language} ({at}): it is identified as if nobody had said so"
        language, asked = None, (None, region, service)
    for what in registry.routing.says:
        yield f"{what}:"
        yield from _steps(registry, what, asked)
    chosen = registry.routing.choose(*asked)
    if config.model:
        yield f"model = {config.model} in the settings goes before all routes"
    entry = registry.get(config.model or chosen.model)
    entry = entry.model_copy(update={"decode": entry.decode | chosen.decode})
    yield f"gets: {entry.name}, {entry.stage}, {entry.engine}, revision {entry.version}"
    if language and not entry.speaks(language):
        yield f"  it does not speak {language}: {config.language.fallback_model or 'such recordings fail'}"
    own = entry.applied_to(config).decode
    yield f"  decode: beam_size {own.beam_size}, full_context {str(own.full_context).lower()}"
    spoken = registry.config_for(region or "", config).language
    yield f"  languages that may be heard: {' '.join(spoken.allowed) or 'all'}"
    if spoken.prior:
        yield f"  prior: {', '.join(f'{code} {odds:g}' for code, odds in spoken.prior.items())}"
    if region in registry.regions:
        profile = registry.regions[region]
        yield f"  region: {profile.note or region} ({profile.at})"
        for what in ("input", "output", "residency"):
            yield f"    {what}: {getattr(profile, what) or 'anywhere'}"
        yield f"    models: {', '.join(profile.models) if profile.models else 'all'}"
    if service in registry.services:
        consumer = registry.services[service]
        files = ", ".join(consumer.deliver.formats) if consumer.deliver else "the tables alone"
        yield f"  service: {consumer.note or service} ({consumer.at}): {files}"


def _steps(registry: Registry, what: str, asked: Asked) -> Iterator[str]:
    """Wherever a route might stand, the most specific first: which decides, which are passed over."""
    decided = False
    looked = []
    for names in (names for level in LEVELS for names in level):
        step = " + ".join(names) or "no condition"
        route = registry.routing.found(what, asked, names)
        if route is None:
            looked += [step] * (not decided)
            continue
        if looked and not decided:
            yield f"  no route by   {', '.join(looked)}"
        yield f"  {'passed over' if decided else 'decided'} by {step}: {route}"
        decided = True
    if not decided:
        yield "  no route: the model's own setting, else the configuration's"
