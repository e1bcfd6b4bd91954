"""The models command: ``python -m transcribe.models list | show | fetch | calibrate | route``.

``fetch`` prints the folder with the verified files. Exit code 0, or 2 with the reason.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable
from pathlib import Path

import yaml

from transcribe import config as configuration
from transcribe.config import Config
from transcribe.errors import ConfigError, LanguageError, ManifestError, ModelError
from transcribe.evaluate import calibrating
from transcribe.languages import normalize_hint, whisper_code
from transcribe.layers import shipped
from transcribe.models.cache import fetch, is_cached
from transcribe.models.explain import explain
from transcribe.models.networks import NETWORKS
from transcribe.models.registry import ModelEntry, Registry, Weights
from transcribe.models.routes import CONDITIONS


def main(argv: list[str] | None = None) -> int:
    options = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        given = [f"models={options.models}"] if options.models else []
        config = configuration.load(options.conf, [*options.set, *given])
        print(COMMANDS[options.command](config, options))
    except (ConfigError, ManifestError, ModelError, LanguageError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m transcribe.models", description="The model registry.")
    parser.add_argument("--models", help=f"the registry's file or folder ({Config().models})")
    settings = argparse.ArgumentParser(add_help=False)
    settings.add_argument("--conf", action="append", default=[], metavar="YAML", help="settings; repeatable")
    settings.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="one setting")
    commands = parser.add_subparsers(dest="command", required=True)
    named = {
        "list": "all models, a line each",
        "show": "all that is known of a model",
        "fetch": "its verified files, on this machine",
        "calibrate": "measure its heads and lead, write them into its entry",
        "route": "which model and settings a recording gets, and why",
    }
    parsers = {name: commands.add_parser(name, help=what, parents=[settings]) for name, what in named.items()}
    for name in ("show", "fetch", "calibrate"):
        parsers[name].add_argument("name", help="a model of the registry")
    parsers["calibrate"].add_argument("manifest", type=Path, help=f"references: {calibrating.WORKS_WITH}")
    for name in CONDITIONS:
        parsers["route"].add_argument(f"--{name}", help="of the recording; default: not known")
    return parser


def _list(config: Config, _: argparse.Namespace) -> str:
    return "\n".join(map(_line, (*Registry.read(config).models.values(), *NETWORKS.values())))


def _show(config: Config, options: argparse.Namespace) -> str:
    registry = Registry.read(config)
    return _described(registry, _find(registry, options.name))


def _fetch(config: Config, options: argparse.Namespace) -> str:
    entry = _find(Registry.read(config), options.name)
    if entry.stage == "retired":
        raise ConfigError("NAME", entry.name, "is retired; change its stage in the registry to use it")
    return str(fetch(entry))


def _calibrate(config: Config, options: argparse.Namespace) -> str:
    return calibrating.run(shipped(config.models), options.name, options.manifest)


def _route(config: Config, options: argparse.Namespace) -> str:
    language = normalize_hint(options.language)
    asked = (language and whisper_code(language), options.region, options.service)
    return explain(Registry.of(config), config, asked)


COMMANDS: dict[str, Callable[[Config, argparse.Namespace], str]] = {
    "list": _list,
    "show": _show,
    "fetch": _fetch,
    "calibrate": _calibrate,
    "route": _route,
}


def _find(registry: Registry, name: str) -> Weights:
    return NETWORKS[name] if name in NETWORKS else registry.find(name, "NAME")


def _line(entry: Weights) -> str:
    engine, languages = "-", "-"
    if isinstance(entry, ModelEntry):
        engine, languages = entry.engine, ",".join(entry.languages or ["many"])
    here = "fetched" if is_cached(entry) else "-"
    return f"{entry.name:<20} {entry.stage:<10} {engine:<12} {languages:<12} {here:<8} {entry.licence}"


def _described(registry: Registry, entry: Weights) -> str:
    """The entry as the registry says it, and what leads to it."""
    content = entry.model_dump(mode="json", exclude_defaults=True)
    routes = [str(route) for route in registry.all_routes if route.model == entry.name]
    return yaml.safe_dump(
        {**content, "routes": routes, "fetched": is_cached(entry)}, sort_keys=False, allow_unicode=True
    ).rstrip()


if __name__ == "__main__":
    sys.exit(main())
