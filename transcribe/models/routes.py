"""(language, region, service) → model and decode settings: of all routes that match, the most specific.

The model and each decode setting are looked up on their own: a route says one, the other, or both. The more
conditions a route has, the more specific it is; two with equally many that both match are a tie, which
``ties`` finds before anything is run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations, product
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from transcribe.models.own_decode import RouteDecode
from transcribe.models.sources import Strict
from transcribe.section import LanguageCode

CONDITIONS = ("language", "region", "service")
LEVELS = tuple(tuple(combinations(CONDITIONS, n)) for n in reversed(range(len(CONDITIONS) + 1)))
"""The conditions that a route may have, the most specific first."""
MODEL = "model"

Asked = tuple[str | None, str | None, str | None]
"""Language, region, service; None where it is not known, or not a condition."""


def _listed(value: object) -> object:
    return value if value is None or isinstance(value, (list, tuple)) else [value]


class Route(Strict):
    """Matches when every condition that is given equals the recording's; several languages: any of them.

    ``at``: FILE:LINE.
    """

    model: str | None = None
    decode: RouteDecode = Field(default_factory=dict)
    language: Annotated[tuple[LanguageCode, ...] | None, BeforeValidator(_listed), Field(min_length=1)] = None
    region: str | None = None
    service: str | None = None
    at: str = Field(default="", exclude=True)

    @model_validator(mode="after")
    def _says_something(self) -> Route:
        if self.model is None and not self.decode:
            raise ValueError("says neither model nor decode")
        return self

    @property
    def says(self) -> list[str]:
        """What it decides."""
        return [MODEL] * (self.model is not None) + [f"decode.{key}" for key in self.decode]

    def value(self, what: str) -> Any:
        """What it says of one of ``says``."""
        return self.model if what == MODEL else self.decode[what.removeprefix("decode.")]

    @property
    def conditions(self) -> Iterator[Asked]:
        """One for each of its languages."""
        return ((language, self.region, self.service) for language in self.language or (None,))

    def __str__(self) -> str:
        said = ", ".join(f"{what} {self.value(what)}" for what in self.says)
        given = {"language": "/".join(self.language or ()), "region": self.region, "service": self.service}
        about = " ".join(f"{name} {value}" for name, value in given.items() if value)
        return f"{about or 'all'} → {said}" + (f" ({self.at})" if self.at else "")


@dataclass(frozen=True)
class Choice:
    """What a recording gets."""

    model: str
    decode: dict[str, Any]


class Routing:
    """Routes, by what they say and under which conditions. Raises ``ValueError`` where two say the same of
    the same. One of them says the model of all that no other is about."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._routes = routes
        self._said: dict[str, dict[Asked, Route]] = {MODEL: {}}
        for route, conditions in ((r, c) for r in routes for c in r.conditions):
            for what in route.says:
                former = self._said.setdefault(what, {}).setdefault(conditions, route)
                if former is not route:
                    raise ValueError(f"two routes for the same: {former} and {route}: keep one")
        self.choose = cache(self._choose)

    def __reduce__(self) -> tuple[Any, ...]:
        return Routing, (self._routes,)

    @property
    def says(self) -> list[str]:
        """All that routes decide: the model, then decode settings."""
        return list(self._said)

    def _choose(self, language: str | None, region: str | None, service: str | None) -> Choice:
        """Where nothing is tied, whatever is asked for."""
        found = {what: self.best(what, (language, region, service)) for what in self._said}
        said = {what: routes[0].value(what) for what, routes in found.items() if routes}
        model = said.pop(MODEL)
        return Choice(model, {what.removeprefix("decode."): value for what, value in said.items()})

    def best(self, what: str, asked: Asked) -> list[Route]:
        """The most specific of those that match and say it; several are tied."""
        for level in LEVELS:
            found = [route for names in level if (route := self.found(what, asked, names))]
            if found:
                return found
        return []

    def found(self, what: str, asked: Asked, names: Iterable[str]) -> Route | None:
        """The route under exactly these conditions of a recording that says ``what``."""
        given = dict(zip(CONDITIONS, asked, strict=True))
        if any(given[name] is None for name in names):
            return None
        language, region, service = (given[name] if name in names else None for name in CONDITIONS)
        return self._said[what].get((language, region, service))

    def ties(self) -> Iterator[tuple[str, Asked, list[Route]]]:
        """What is tied for what, and the routes. Only what some route names can make a difference."""
        for what, said in self._said.items():
            languages, regions, services = (
                sorted({None, *(key[n] for key in said)}, key=str) for n in range(len(CONDITIONS))
            )
            for asked in product(languages, regions, services):
                routes = self.best(what, asked)
                if len(routes) > 1:
                    yield what, asked, routes


def in_words(asked: Asked) -> str:
    """``language da, service captions``."""
    return ", ".join(f"{name} {value}" for name, value in zip(CONDITIONS, asked, strict=True) if value)
