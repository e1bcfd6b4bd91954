"""The models command: ``python -m transcribe.models list | show | add | verify | warm | promote | …``.

Exit code 0, or 2 with the reason.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable
from pathlib import Path

import yaml
from pydantic import ValidationError

from transcribe import config as configuration
from transcribe.config import Config
from transcribe.errors import ConfigError, TranscribeError
from transcribe.evaluate import calibrate
from transcribe.evaluate.promoting import Promotion, promote, roll_back
from transcribe.languages import normalize_hint, whisper_code
from transcribe.models.adding import Asked, add
from transcribe.models.cache import fetch, is_cached
from transcribe.models.checking import chosen, of_a_night, verify, warm, with_aligners
from transcribe.models.differences import differences
from transcribe.models.explain import explain
from transcribe.models.networks import NETWORKS
from transcribe.models.registry import ModelEntry, Registry, Weights
from transcribe.models.routes import CONDITIONS


def main(argv: list[str] | None = None) -> int:
    options = _parser().parse_args(argv)
    logging.basicConfig(format="%(message)s")  # the hub's client has a line a request, which nobody asks for
    logging.getLogger("transcribe").setLevel(logging.INFO)
    try:
        given = [f"models={options.models}"] if options.models else []
        config = configuration.load(options.conf, [*options.set, *given])
        print(COMMANDS[options.command][1](config, options))
    except TranscribeError as error:
        print(error, file=sys.stderr)
        return 2
    except (OSError, ValidationError) as error:
        print(f"{options.command}: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m transcribe.models", description="The model registry.")
    parser.add_argument("--models", help=f"the registry's file or folder ({Config().models})")
    settings = argparse.ArgumentParser(add_help=False)
    settings.add_argument("--conf", action="append", default=[], metavar="YAML", help="settings; repeatable")
    settings.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="one setting")
    commands = parser.add_subparsers(dest="command", required=True)
    found = {
        name: commands.add_parser(name, help=what, description=what, parents=[settings])
        for name, (what, _) in COMMANDS.items()
    }
    for name in ("show", "fetch", "calibrate", "add", "promote", "roll-back"):
        found[name].add_argument("name", metavar="NAME", help="a model of the registry")
    for name in ("verify", "warm"):
        found[name].add_argument(
            "names", nargs="*", metavar="NAME", help="default: all that a night may need"
        )
    found["warm"].add_argument("--to", type=Path, metavar="DIR", help="a shared folder; default: the cache")
    found["calibrate"].add_argument("manifest", type=Path, help=f"references: {calibrate.WORKS_WITH}")
    found["calibrate"].add_argument(
        "--compare-ways", action="store_true", help="change nothing: show how exact each way's word times are"
    )
    for name in CONDITIONS:
        found["route"].add_argument(f"--{name}", help="of the recording; default: not known")
    for name in ("one", "other"):
        found["diff"].add_argument(name, metavar="NAME", help="a model of the registry")
    _add_options(found["add"])
    for name in ("promote", "roll-back"):
        found[name].add_argument("--reason", required=True, help="stays in the entry's history")
    _promote_options(found["promote"])
    return parser


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="FROM", help="folder, s3://bucket/prefix or hub:OWNER/NAME@COMMIT")
    parser.add_argument("--licence", required=True, help="of the weights")
    parser.add_argument(
        "--language", action="append", default=[], help="that it is for; repeatable; default: all it knows"
    )
    parser.add_argument("--engine", default="", help="default: what runs such files")
    parser.add_argument("--revision", default="", help="default: the hub's commit, else today")
    parser.add_argument("--notes", default="", help="for people")


def _promote_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--instead-of", default="", metavar="NAME", help="whose routes it gets")
    gate = parser.add_mutually_exclusive_group(required=True)
    gate.add_argument(
        "--evaluations", default="", metavar="DIR", help="output of jobs/evaluate.py, for the gate"
    )
    gate.add_argument("--without-gate", action="store_true", help="nothing is compared; its history says so")
    parser.add_argument("--run", default="latest", help="of the evaluations (%(default)s)")
    parser.add_argument("--system", default="", help="the model as evaluated; default: NAME")
    parser.add_argument("--baseline", default="", help="what it is held against; default: --instead-of")


def _list(config: Config, _: argparse.Namespace) -> str:
    return "\n".join(map(_line, (*Registry.read(config).models.values(), *NETWORKS.values())))


def _show(config: Config, options: argparse.Namespace) -> str:
    registry = Registry.read(config)
    (entry,) = chosen(registry, [options.name])
    return _described(registry, entry)


def _fetch(config: Config, options: argparse.Namespace) -> str:
    (entry,) = chosen(Registry.read(config), [options.name])
    if entry.stage == "retired":
        raise ConfigError("NAME", entry.name, "is retired; change its stage in the registry to use it")
    return str(fetch(entry))


def _add(config: Config, options: argparse.Namespace) -> str:
    languages = [code for tag in options.language if (code := _code(tag))]
    asked = Asked(
        *(options.name, options.source, options.licence, languages),
        *(options.engine, options.revision, options.notes),
    )
    return f"{add(config, asked)}\n{_show(config, options)}"


def _verify(config: Config, options: argparse.Namespace) -> str:
    return verify(_wanted(config, options))


def _warm(config: Config, options: argparse.Namespace) -> str:
    return warm(_wanted(config, options), options.to)


def _wanted(config: Config, options: argparse.Namespace) -> list[Weights]:
    registry = Registry.read(config)
    return with_aligners(chosen(registry, options.names)) if options.names else of_a_night(registry, config)


def _diff(config: Config, options: argparse.Namespace) -> str:
    registry = Registry.read(config)
    return differences(registry.find(options.one, "NAME"), registry.find(options.other, "NAME"))


def _promote(config: Config, options: argparse.Namespace) -> str:
    return promote(
        config,
        Promotion(
            *(options.name, options.reason, options.instead_of, options.evaluations),
            *(options.run, options.system, options.baseline),
        ),
    )


def _roll_back(config: Config, options: argparse.Namespace) -> str:
    return roll_back(config, options.name, options.reason)


def _calibrate(config: Config, options: argparse.Namespace) -> str:
    return calibrate.run(config, options.name, options.manifest, options.compare_ways)


def _route(config: Config, options: argparse.Namespace) -> str:
    asked = (_code(options.language), options.region, options.service)
    return explain(Registry.of(config), config, asked)


def _code(language: str | None) -> str | None:
    hint = normalize_hint(language)
    return hint and whisper_code(hint)


COMMANDS: dict[str, tuple[str, Callable[[Config, argparse.Namespace], str]]] = {
    "list": ("all models, a line each", _list),
    "show": ("all that is known of a model", _show),
    "fetch": ("its verified files, on this machine", _fetch),
    "add": ("a new candidate, from the files of a checkpoint", _add),
    "verify": ("read all bytes of what is on this machine again", _verify),
    "warm": ("fetch what a night may need, before it", _warm),
    "calibrate": ("measure its heads and lead, write them into its entry", _calibrate),
    "promote": ("a candidate into production, with the routes of another", _promote),
    "roll-back": ("undo its last promotion", _roll_back),
    "diff": ("in what two models differ", _diff),
    "route": ("which model and settings a recording gets, and why", _route),
}


def _line(entry: Weights) -> str:
    engine, languages = "-", "-"
    if isinstance(entry, ModelEntry):
        engine, languages = entry.engine, ",".join(entry.languages or ["many"])
    here = "fetched" if is_cached(entry) else "-"
    measured = str(entry.metrics[-1]) if entry.metrics else "-"
    columns = f"{entry.name:<20} {entry.stage:<10} {engine:<14} {languages:<12} {here:<8} {entry.licence:<8}"
    return f"{columns} {measured}"


def _described(registry: Registry, entry: Weights) -> str:
    """The entry as the registry says it, and what leads to it."""
    content = entry.model_dump(mode="json", exclude_defaults=True)
    routes = [str(route) for route in registry.all_routes if route.model == entry.name]
    return yaml.safe_dump(
        {**content, "routes": routes, "fetched": is_cached(entry)}, sort_keys=False, allow_unicode=True
    ).rstrip()


if __name__ == "__main__":
    sys.exit(main())
