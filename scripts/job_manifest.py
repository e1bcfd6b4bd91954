"""A manifest of references → a manifest for the job (JSONL: uri, recording_id, region, date, language).

    python scripts/job_manifest.py REFERENCES.jsonl JOB.jsonl --region R [--date D] [--hints no]

Silence, noise and broken files carry no language hint; with ``--hints no`` none does.
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import date
from pathlib import Path

from transcribe.evaluate.reference import load


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("references", type=Path)
    parser.add_argument("manifest", type=Path, help="written")
    parser.add_argument("--region", required=True)
    parser.add_argument("--date", default=date.today().isoformat(), help="YYYY-MM-DD; today by default")
    parser.add_argument("--hints", choices=["yes", "no"], default="yes", help="carry the languages over")
    options = parser.parse_args(arguments)
    with options.manifest.open("w", encoding="utf-8") as manifest:
        for reference in load(options.references):
            row = {
                "uri": str(reference.path.resolve()),
                "recording_id": reference.file,
                "region": options.region,
                "date": options.date,
                "language": reference.hint if options.hints == "yes" else None,
            }
            manifest.write(json.dumps(row, ensure_ascii=False) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
