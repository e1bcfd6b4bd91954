"""Refuse packages of versions that this project does not support, once and before any work."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import metadata

from packaging.requirements import Requirement

from transcribe.errors import ConfigError

PROJECT = "spark-transcribe"


def check_versions(*extras: str) -> None:
    """Raise ConfigError for the first installed package outside of the range that the project names.

    Looked at are the project's own requirements and those of ``extras``. A package that is not installed is
    no concern here, and neither is anything where the project runs from files without being installed.
    """
    try:
        required = metadata.requires(PROJECT) or []
    except metadata.PackageNotFoundError:
        return
    for name, version, wanted in unsupported(required, extras):
        raise ConfigError(name, version, f"is not supported here: pip install {str(wanted)!r}")


def unsupported(required: Iterable[str], extras: Iterable[str]) -> Iterable[tuple[str, str, Requirement]]:
    """Yield (name, installed version, requirement) of each package whose version does not fit."""
    for text in required:
        one = Requirement(text)
        if one.marker and not any(one.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            continue
        one.marker = None
        try:
            version = metadata.version(one.name)
        except metadata.PackageNotFoundError:
            continue
        if not one.specifier.contains(version, prereleases=True):
            yield one.name, version, one
