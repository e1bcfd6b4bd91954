"""The command line of the jobs: options, exit codes, errors in one line.

Exit codes: 0 the run's verdict is good; 1 it is bad, or the job broke off; 2 the configuration or the input
is wrong and nothing was started; 130 interrupted.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Callable, Sequence

from jobs import session
from jobs.report import Report
from jobs.spark.errors import SPARK_ERRORS, telling_line
from transcribe.errors import ConfigError, TranscribeError


def parser(description: str) -> argparse.ArgumentParser:
    lines = description.strip().splitlines()
    parser = argparse.ArgumentParser(description=lines[0])
    parser.add_argument(
        "--conf", action="append", default=[], metavar="YAML", help="repeatable; later ones win"
    )
    parser.add_argument("--input", required=True, help="folder, glob, file or manifest (csv, jsonl, parquet)")
    parser.add_argument("--output", required=True, help="folder or s3:// prefix of the tables")
    parser.add_argument("--region", help="of recordings that name none")
    parser.add_argument("--date", help="YYYY-MM-DD; default: the manifest's, else the file's own")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="override one setting"
    )
    parser.add_argument("--plan", action="store_true", help="print what would be done, do nothing")
    return parser


def main(run: Callable[..., Report], description: str, arguments: Sequence[str] | None) -> int:
    """Parse, run, print; returns the exit code. Stops the session only if the run has opened it."""
    options = parser(description).parse_args(arguments)
    with session.stopped_if_opened():
        try:
            report = run(
                None,
                conf=options.conf,
                input=options.input,
                output=options.output,
                region=options.region,
                date=options.date,
                overrides=options.set,
                plan_only=options.plan,
            )
        except ConfigError as error:
            print(f"configuration: {error}", file=sys.stderr)
            return 2
        except TranscribeError as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
            return 1
        except SPARK_ERRORS as error:
            print(f"Spark: {telling_line(error)}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("interrupted: what is published stays; run again to go on from there", file=sys.stderr)
            return 130
        except Exception:
            traceback.print_exc()
            return 1
        print(report)
        return report.exit_code
