"""What a run may read and write: the places of the regions that it works for, and of no other."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from transcribe.config import Config
from transcribe.errors import ConfigError, PlanError
from transcribe.models.consistency import unknown
from transcribe.models.profiles import Region
from transcribe.models.registry import Registry
from transcribe.storage.files import lies_in, resolved


@dataclass(frozen=True)
class Scope:
    """Of one run. Without regions in its registry everything is allowed.

    ``output``: where its tables lie; None: nowhere. Raises ``ConfigError`` before anything is read when the
    run's own region (``job.region``) is unknown or may not have these machines, models or this output.
    """

    registry: Registry
    config: Config
    output: str | None = None

    @classmethod
    def of(cls, config: Config, output: str | None = None) -> Scope:
        """Of a job that looks at tables or keeps them, whatever its settings want of models."""
        return cls(Registry.read(config), config, output)

    def __post_init__(self) -> None:
        region = self.config.job.region
        if region is None or not self.registry.regions:
            self._refuse_others(region, "--output", self.output, holds=True)
            return
        if region not in self.registry.regions:
            raise ConfigError("job.region", region, unknown("region", region, self.registry.regions))
        self._admit(region)

    def admit_input(self, source: str, *, listed: bool) -> None:
        """An input before it is read: a manifest may lie anywhere but in another region's places; files that
        are ``listed`` must lie in the region's own."""
        region = self.config.job.region
        self._refuse_others(region, "--input", source)
        if listed and region:
            self._keep_inside(region, source)

    def admit(self, region: str | None, uri: str) -> None:
        """A recording before it is looked at. One of an unknown region has ``check_names`` against it."""
        if region in self.registry.regions and region != self.config.job.region:
            self._admit(region)
        self._refuse_others(region, "--input", uri)
        if region:
            self._keep_inside(region, uri)

    def admit_file(self, option: str, uri: str) -> None:
        """Raise ConfigError if what the run writes, or compares with, lies in another region's place."""
        self._refuse_others(self.config.job.region, option, uri)

    def check_names(self, region: str, service: str | None) -> None:
        """Raises ``PlanError`` for a region or service of a recording that the fleet does not have."""
        for kind, name, known in (
            ("region", region, self.registry.regions),
            ("service", service, self.registry.services),
        ):
            if name and known and name not in known:
                raise PlanError(f"unknown_{kind}", unknown(kind, name, known), f"correct {kind}")

    def _admit(self, region: str) -> None:
        """The region's work by this run."""
        profile = self.registry.regions[region]
        if profile.residency is not None and profile.residency != self.config.job.residency:
            raise ConfigError(
                "job.residency",
                self.config.job.residency,
                f"region {region} may be worked on in {profile.residency} only ({profile.at})",
            )
        for key, model in (
            ("model", self.config.model),
            ("language.fallback_model", self.config.language.fallback_model),
        ):
            if model is not None and profile.models is not None and model not in profile.models:
                raise ConfigError(
                    key, model, f"region {region} may use {', '.join(profile.models)} only ({profile.at})"
                )
        if self.output is not None:
            self._refuse_others(region, "--output", self.output, holds=True)
            if profile.output is not None and not lies_in(self.output, profile.output):
                raise ConfigError(
                    "--output", self.output, f"the tables of {region} lie in {profile.output} ({profile.at})"
                )

    def _keep_inside(self, region: str, uri: str) -> None:
        profile = self.registry.regions.get(region, Region())
        if profile.input is not None and not lies_in(uri, profile.input):
            raise ConfigError(
                "--input", uri, f"the recordings of {region} lie in {profile.input} ({profile.at})"
            )

    def _refuse_others(self, region: str | None, key: str, uri: str | None, *, holds: bool = False) -> None:
        """Raise ConfigError for what lies in another region's place; with ``holds`` also for a folder that
        such a place lies in, since all below an output is its own."""
        if uri is None or not self._places:
            return
        place = resolved(uri)
        for owner, top in self._places:
            if owner == region:
                continue
            at = self.registry.regions[owner].at
            if place.startswith(top):
                whose = f"this is for {region or 'none: say which by job.region'}"
                raise ConfigError(key, uri, f"belongs to region {owner} ({at}); {whose}")
            if holds and top.startswith(place):
                raise ConfigError(key, uri, f"holds a place of region {owner} ({at}); choose one beside it")

    @cached_property
    def _places(self) -> list[tuple[str, str]]:
        """Whose they are, and where."""
        regions = self.registry.regions.items()
        return [(name, resolved(place)) for name, profile in regions for place in profile.places]
