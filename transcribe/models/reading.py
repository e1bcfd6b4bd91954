"""The registry's files as one: models, routes, regions and services, and where each is said."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transcribe.config import Config
from transcribe.errors import ConfigError
from transcribe.layers import shipped
from transcribe.models import located, profiles
from transcribe.models.located import Located

WHAT = "not a model registry: a mapping with models, default, routes"


def read(models: Path, regions: Path | None = None, services: Path | None = None) -> Located:
    """``models``: a file, or a folder of them. A model in two files, or two defaults, is an error; routes of
    several files are one list. Raises ``ConfigError``."""
    files = model_files(models)
    if not files:
        raise ConfigError("models", str(models), "holds no *.yaml; name the registry's file or folder")
    whole = Located({"models": {}, "routes": []}, {(): str(models)})
    for file in files:
        found = located.read(file, "models", WHAT)
        for key, value in found.content.items():
            if key == "models":
                _add_models(whole, value, found, file)
            elif key == "routes":
                _add_routes(whole, value, found, ("routes",))
            elif key in whole.content:
                raise ConfigError(key, str(file), f"`{key}` is in another file of the registry, too")
            else:
                whole.content[key] = value
                whole.lines[(key,)] = found.at(key)
    for kind, path in (("regions", regions), ("services", services)):
        if path is not None:
            _add_profiles(whole, kind, profiles.read(path, kind))
    return whole


def model_files(models: Path) -> list[Path]:
    """The registry's own files: one, or those of a folder."""
    return sorted(models.glob("*.yaml")) if models.is_dir() else [models]


def all_files(config: Config) -> list[Path]:
    """Those, and the files of regions and services."""
    return [
        *model_files(shipped(config.models)),
        *(shipped(p) for p in (config.regions, config.services) if p),
    ]


def _add_models(whole: Located, models: Any, found: Located, file: Path) -> None:
    """Entries get their names; they may be aliases of one another, so they are copied."""
    if not isinstance(models, Mapping) or not all(isinstance(entry, Mapping) for entry in models.values()):
        raise ConfigError(
            "models", str(file), "not a model registry: models is a mapping of names to entries"
        )
    for name, entry in models.items():
        if name in whole.content["models"]:
            raise ConfigError(f"models.{name}", str(file), "is in another file of the registry, too")
        whole.content["models"][name] = {"name": name, **entry}
    whole.lines.update({("models", *rest): at for rest, at in found.below("models").items()})


def _add_routes(whole: Located, routes: Any, found: Located, keys: tuple[str, ...], **given: str) -> None:
    """``given``: the condition that the routes' place implies."""
    if not isinstance(routes, list) or not all(isinstance(route, dict) for route in routes):
        raise ConfigError(".".join(keys), routes, f"must be a list of routes ({found.at(*keys)})")
    for n, route in enumerate(routes):
        at = found.at(*keys, n)
        if twice := route.keys() & {"at", *given}:
            name = min(twice)
            raise ConfigError(".".join([*keys, str(n), name]), route[name], f"leave it out ({at})")
        place = str(len(whole.content["routes"]))
        whole.lines.update({("routes", place, *rest): at for rest, at in found.below(*keys, n).items()})
        whole.content["routes"].append({**route, **given, "at": at})


def _add_profiles(whole: Located, kind: str, found: Located) -> None:
    for name, profile in found.content.items():
        routes = profile.pop("routes", None) or []
        _add_routes(whole, routes, found, (str(name), "routes"), **{kind.removesuffix("s"): name})
    whole.content[kind] = found.content
    whole.lines.update({(kind, *keys): at for keys, at in found.lines.items()})
