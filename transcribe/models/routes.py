"""Who is transcribed by which model: the first route that matches, else the default."""

from __future__ import annotations

from collections.abc import Sequence

from transcribe.models.sources import Strict
from transcribe.section import LanguageCode


class Route(Strict):
    """Matches when every key that is given equals the recording's."""

    model: str
    language: LanguageCode | None = None
    region: str | None = None
    service: str | None = None

    def matches(self, language: str | None, region: str | None, service: str | None) -> bool:
        wanted = ((self.language, language), (self.region, region), (self.service, service))
        return all(mine is None or mine == theirs for mine, theirs in wanted)


def first_match(
    routes: Sequence[Route], language: str | None, region: str | None, service: str | None
) -> Route | None:
    """The route for a recording; None where a property is not known, and when no route matches."""
    return next((route for route in routes if route.matches(language, region, service)), None)
