"""Evaluate models without Spark: ``python -m transcribe.evaluate --references MANIFEST --output DIR``.

Exit code 0; 1 if a system is worse than ``--baseline``; 2 for wrong settings or references. With Spark:
``jobs/evaluate.py``, which takes the same options.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from transcribe.config import Config
from transcribe.console import Console
from transcribe.errors import ConfigError, ModelError, TranscribeError
from transcribe.escape import tolerant_stdout
from transcribe.evaluate.evaluation import Asked, evaluate
from transcribe.evaluate.systems import Answers, Measured, System, run_library
from transcribe.evaluate.word_error import NORMALISERS
from transcribe.inputs.read import read
from transcribe.storage.s3 import S3Options


def add_options(parser: argparse.ArgumentParser) -> None:
    """What the command and the job have in common, beside --conf, --set and --output."""
    parser.add_argument(
        "--references", required=True, metavar="MANIFEST", help="recordings with reference_text"
    )
    parser.add_argument(
        "--system", action="append", metavar="MODEL[:key=value,…]",
        help="repeatable; a model and its options, or routes: what the routes lead to (default)",
    )  # fmt: skip
    parser.add_argument("--normaliser", choices=NORMALISERS, default="spelled", help="default: %(default)s")
    parser.add_argument("--identify", action="store_true", help="without the references' languages as hints")
    parser.add_argument(
        "--baseline", default="", metavar="RUN", help="a former run's id, or latest: the gate"
    )
    parser.add_argument(
        "--baseline-system", default="", metavar="NAME", help="of that run; default: the same"
    )


def asked_of(options: argparse.Namespace) -> Asked:
    return Asked(
        references=options.references,
        output=options.output,
        systems=[System.parse(text) for text in options.system or ["routes"]],
        conf=options.conf,
        overrides=options.set,
        normaliser=options.normaliser,
        identify=options.identify,
        baseline=options.baseline,
        baseline_system=options.baseline_system,
    )


def by_library(manifest: str, config: Config, _: str) -> tuple[Answers, Measured]:
    s3 = S3Options.of(config.storage)
    inputs = read(manifest, config, s3)
    with Console(len(inputs.recordings), config.job.progress_s, sys.stderr) as console:
        return run_library(inputs, config, s3, console.update)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m transcribe.evaluate", description=(__doc__ or "").splitlines()[0]
    )
    add_options(parser)
    parser.add_argument(
        "--output", required=True, metavar="DIR", help="gets evaluations, measurements and runs/"
    )
    parser.add_argument("--conf", action="append", default=[], metavar="YAML", help="settings; repeatable")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="one setting")
    options = parser.parse_args(arguments)
    tolerant_stdout()
    try:
        found = evaluate(asked_of(options), by_library)
    except (ConfigError, ModelError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 2
    except TranscribeError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    print(found)
    return found.exit_code


if __name__ == "__main__":
    sys.exit(main())
