"""Do models, routes, regions and services fit together? Said before anything is run, with file and line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from itertools import combinations, product
from typing import TYPE_CHECKING

from transcribe.engines.names import ENGINES
from transcribe.models.routes import MODEL, Asked, Route, in_words
from transcribe.storage.files import lies_in

if TYPE_CHECKING:
    from transcribe.models.registry import Registry


def problems(registry: Registry) -> Iterator[str]:
    """What is wrong, a line each; none if all fits."""
    for name in registry.models:
        yield from _of_alignment(registry, name)
    for route in registry.all_routes:
        yield from _of_route(registry, route)
    for what, asked, routes in registry.routing.ties():
        told = " and ".join(map(str, routes))
        yield f"for {in_words(asked)}, {told} are equally specific in {what}: add a route for just that"
    for name in registry.regions:
        yield from _of_region(registry, name)
    for (a, one), (b, other) in combinations(registry.regions.items(), 2):
        for mine, theirs in product(one.places, other.places):
            if lies_in(mine, theirs) or lies_in(theirs, mine):
                yield f"regions {a} ({one.at}) and {b} ({other.at}) share a place: {mine}, {theirs}"
    for name in registry.services:
        yield from _of_deliveries(registry, name)


def _of_alignment(registry: Registry, name: str) -> Iterator[str]:
    """Models that time the words of another are there, can do that, and are asked to by one that needs it."""
    entry = registry.models[name]
    kind = ENGINES.get(entry.engine)
    if entry.align_with and (kind is None or kind.times_words):
        yield f"{name}: the engine {entry.engine} times words itself; leave align_with out"
    for other in entry.align_with:
        aligner = registry.models.get(other)
        if aligner is None:
            yield f"{name}: align_with names {unknown('model', other, registry.models)}"
        elif aligner.engine not in ENGINES or not ENGINES[aligner.engine].aligns:
            able = " or ".join(key for key, kind in ENGINES.items() if kind.aligns)
            yield f"{name}: align_with {other}, whose engine {aligner.engine} cannot; name one of {able}"
        elif aligner.stage == "retired":
            yield f"{name}: align_with {other}, which is retired"


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """``unknown region 'eu-nort': did you mean eu-north?``"""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(names)}"
    return f"unknown {kind} {name!r}; {hint}"


def _of_route(registry: Registry, route: Route) -> Iterator[str]:
    where = f" ({route.at})" if route.at else ""
    for kind, name, known in (
        ("region", route.region, registry.regions),
        ("service", route.service, registry.services),
    ):
        if name is not None and known and name not in known:
            yield f"route to {unknown(kind, name, known)}{where}"
    if route.model is None:
        return
    entry = registry.models.get(route.model)
    if entry is None:
        yield f"route to {unknown('model', route.model, registry.models)}{where}"
    elif entry.engine in ENGINES and not ENGINES[entry.engine].transcribes:
        yield f"route to {route.model!r}, which only times words{where}"
    elif entry.stage != "production":
        yield f"route to {entry.stage} model {route.model!r}: only production models are routed to{where}"
    elif not all(map(entry.speaks, route.language or (None,))):
        yield f"{route.model!r} speaks only {entry.languages}: its routes must say so{where}"


def _of_region(registry: Registry, name: str) -> Iterator[str]:
    """Each of its languages has a model for each service, which is one of its own."""
    region = registry.regions[name]
    for model in region.models or ():
        if model not in registry.models:
            yield f"region {name}: {unknown('model', model, registry.models)} ({region.at})"
            return
    if strange := set(region.prior) - set(region.languages or region.prior):
        yield f"region {name}: prior of {', '.join(sorted(strange))}, which is not in languages ({region.at})"
    languages = region.languages or tuple({key for route in registry.routes for key in route.language or ()})
    told: set[str] = set()
    for language, service in product((*languages, None), (*registry.services, None)):
        for line in _of_choice(registry, (language, name, service), gaps=bool(region.languages)):
            if line not in told:
                told.add(line)
                yield line


def _of_deliveries(registry: Registry, name: str) -> Iterator[str]:
    """What is delivered of a region lies in no place of another."""
    service = registry.services[name]
    for region, (owner, other) in product(registry.regions, registry.regions.items()):
        if service.deliver is None or region == owner:
            continue
        folder = service.deliver.folder(name, region, "2000-01-01")
        for place in other.places:
            if lies_in(folder, place):
                told = f"service {name} ({service.at}) delivers {region} to {folder}"
                yield f"{told}, which belongs to region {owner} ({other.at})"


def _of_choice(registry: Registry, asked: Asked, gaps: bool) -> Iterator[str]:
    language, name, _ = asked
    region = registry.regions[name or ""]
    (route, *_) = registry.routing.best(MODEL, asked)
    entry = registry.models.get(route.model or "")
    if entry is None:
        return  # told already
    if region.models is not None and entry.name not in region.models:
        yield f"region {name} may not use {entry.name} ({region.at}), but {route} leads there"
    elif gaps and language and not entry.speaks(language):
        yield f"region {name} has no model for {language} ({region.at}): {route} leads to one that lacks it"
