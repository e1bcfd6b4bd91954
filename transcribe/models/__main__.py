"""The models command: ``python -m transcribe.models list | show NAME | fetch NAME | calibrate NAME FILE``.

``fetch`` prints the folder with the verified files. Exit code 0, or 2 with the reason.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

import yaml

from transcribe.config import Config
from transcribe.errors import ConfigError, ManifestError, ModelError
from transcribe.evaluate import calibrating
from transcribe.layers import shipped
from transcribe.models.cache import fetch, is_cached
from transcribe.models.networks import NETWORKS
from transcribe.models.registry import ModelEntry, Registry, Weights


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m transcribe.models", description="The model registry.")
    parser.add_argument(
        "--models", default=Config().models, help="the registry's file or folder (%(default)s)"
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="all models, a line each")
    for name, what in (
        ("show", "all that is known of a model"),
        ("fetch", "its verified files, on this machine"),
    ):
        commands.add_parser(name, help=what).add_argument("name", help="a model of the registry")
    calibrate = commands.add_parser("calibrate", help="measure its heads and lead, write them into its entry")
    calibrate.add_argument("name", help="a model of the registry")
    calibrate.add_argument("manifest", type=Path, help=f"references: {calibrating.WORKS_WITH}")
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        registry = Registry.load(shipped(arguments.models))
        if arguments.command == "list":
            print("\n".join(_line(entry) for entry in (*registry.models.values(), *NETWORKS.values())))
        elif arguments.command == "show":
            print(_described(registry, _find(registry, arguments.name)))
        elif arguments.command == "calibrate":
            print(calibrating.run(shipped(arguments.models), arguments.name, arguments.manifest))
        else:
            print(_fetched(_find(registry, arguments.name)))
    except (ConfigError, ManifestError, ModelError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _find(registry: Registry, name: str) -> Weights:
    return NETWORKS[name] if name in NETWORKS else registry.find(name, "NAME")


def _fetched(entry: Weights) -> Path:
    if entry.stage == "retired":
        raise ConfigError("NAME", entry.name, "is retired; change its stage in the registry to use it")
    return fetch(entry)


def _line(entry: Weights) -> str:
    engine, languages = "-", "-"
    if isinstance(entry, ModelEntry):
        engine, languages = entry.engine, ",".join(entry.languages or ["many"])
    here = "fetched" if is_cached(entry) else "-"
    return f"{entry.name:<20} {entry.stage:<10} {engine:<12} {languages:<12} {here:<8} {entry.licence}"


def _described(registry: Registry, entry: Weights) -> str:
    """The entry as the registry says it, and what leads to it."""
    content = entry.model_dump(mode="json", exclude_defaults=True)
    routes = [route.model_dump(exclude_none=True) for route in registry.routes if route.model == entry.name]
    if registry.default == entry.name:
        routes.append({"model": entry.name, "else": True})
    return yaml.safe_dump(
        {**content, "routes": routes, "fetched": is_cached(entry)}, sort_keys=False
    ).rstrip()


if __name__ == "__main__":
    sys.exit(main())
