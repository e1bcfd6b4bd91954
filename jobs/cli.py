"""The command line of any job: what its options share, errors in one line, exit codes.

Exit codes: 0 the answer is good; 1 it is bad, or the job broke off; 2 the configuration or the input is wrong
and nothing was started; 130 interrupted; 143 terminated.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol

from jobs import session
from jobs.spark.errors import SPARK_ERRORS, telling_line
from transcribe.config import Config
from transcribe.errors import ConfigError, ModelError, TranscribeError
from transcribe.escape import printable, tolerant_stdout
from transcribe.models.scope import Scope
from transcribe.storage.s3 import S3Options
from transcribe.tables.tables import Tables

MAX_CHARACTERS = 2000
"""Of an error's line: a remedy may name much."""


class Answer(Protocol):
    """What a job comes back with; its ``str`` is for people."""

    @property
    def exit_code(self) -> int: ...


def parser(description: str, *, output_required: bool = True) -> argparse.ArgumentParser:
    """Of a job: ``description`` is its module's docstring; the job adds its own options."""
    parser = argparse.ArgumentParser(description=description.strip().splitlines()[0])
    parser.add_argument(
        "--conf", action="append", default=[], metavar="YAML", help="repeatable; later ones win"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="override one setting"
    )
    parser.add_argument("--output", required=output_required, help="folder or s3:// prefix of the tables")
    return parser


def at_least(least: int) -> Callable[[str], int]:
    """Type of an option that is a whole number, and no smaller."""

    def number(text: str) -> int:
        if int(text) < least:
            raise argparse.ArgumentTypeError(f"must be at least {least}")
        return int(text)

    return number


def for_region(config: Config, region: str | None) -> Config:
    """The configuration of a job that was told to keep to a region."""
    return config.model_copy(
        update={"job": config.job.model_copy(update={"region": region})} if region else {}
    )


def published(output: str, config: Config) -> Tables:
    """The tables under ``output``. Raises ``ConfigError`` where there are none, or another region's."""
    Scope.of(config, output)
    tables = Tables(output, S3Options.of(config.storage))
    if all(table.find() is None for table in tables.all):
        raise ConfigError("--output", output, "holds no tables; name the folder that a job has published to")
    return tables


def admitted(config: Config, output: str) -> Callable[[str], bool]:
    """Return a predicate: may a job on these tables change that folder elsewhere?"""
    scope = Scope.of(config, output)

    def is_admitted(folder: str) -> bool:
        try:
            scope.admit_file("--output", folder)
        except ConfigError:
            return False
        return True

    return is_admitted


def run_job(action: Callable[[], Answer]) -> int:
    """Do it and print its answer, or in one line why there is none; the exit code.

    Stops the session only if the action has opened it. A termination signal ends the action like Ctrl-C.
    """
    tolerant_stdout()
    with session.stopped_if_opened(), interrupt_on_termination() as terminated:
        try:
            check_locale(sys.argv[1:], os.environ)
            answer = action()
            print(answer)
            return answer.exit_code
        except ConfigError as error:
            return _said(f"configuration: {error}", 2)
        except ModelError as error:  # a line for each source that was tried
            return max(_said(line, 1) for line in f"ModelError: {error}".splitlines())
        except TranscribeError as error:
            return _said(f"{type(error).__name__}: {error}", 1)
        except SPARK_ERRORS as error:
            return _said(f"Spark: {telling_line(error)}", 1)
        except KeyboardInterrupt:
            how, exit_code = ("terminated", 143) if terminated else ("interrupted", 130)
            return _said(f"{how}: what is published stays; run again to go on from there", exit_code)
        except Exception:
            traceback.print_exc()
            return 1


def check_locale(arguments: Sequence[str], environment: Mapping[str, str]) -> None:
    """Raise ConfigError for arguments that spark-submit's Java has spoilt because the locale is not UTF-8.

    Without LANG, as under cron, Java turns each byte of "ä" into a question mark, which would then be taken
    for a wildcard.
    """
    locale = next((environment[name] for name in ("LC_ALL", "LANG") if environment.get(name)), "")
    if session.SUBMITTED not in environment or re.search("utf-?8", locale, re.IGNORECASE):
        return
    spoilt = [argument for argument in arguments if "??" in argument or "\ufffd" in argument]
    if spoilt:
        remedy = f"set LANG=C.UTF-8 or LC_ALL: without it Java has spoilt the argument {spoilt[0]!r}"
        raise ConfigError("LANG", environment.get("LANG"), remedy)


@contextmanager
def interrupt_on_termination() -> Iterator[list[int]]:
    """Make SIGTERM (systemd, Kubernetes, Airflow) an interrupt while in it; the list tells that one has come.

    Off the main thread nothing is changed.
    """
    terminated: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield terminated
        return

    def handle(number: int, _: object) -> None:
        terminated.append(number)
        signal.raise_signal(signal.SIGINT)

    former = signal.signal(signal.SIGTERM, handle)
    try:
        yield terminated
    finally:
        signal.signal(signal.SIGTERM, former)


def _said(line: str, exit_code: int) -> int:
    print(printable(line, MAX_CHARACTERS), file=sys.stderr)
    return exit_code
