"""The benchmark's worker: one system in a fresh process, ``worker.py JOB.json``.

The answers and what they cost are written to the job's ``result``. Every system decodes the files itself as
part of the work, and does one short clip before the clock starts.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import sys
import time
from dataclasses import asdict
from pathlib import Path

import watch
from job import read_job
from systems import PACKAGES, SYSTEMS


def main() -> None:
    job = read_job(Path(sys.argv[1]))
    started = time.perf_counter()
    loaded = SYSTEMS[job.system](job)
    loaded.transcribe(job.warm_up)
    cpu_before_s = watch.cpu_s()
    start_s = time.perf_counter() - started
    started = time.perf_counter()
    answers = loaded.transcribe(job.files)
    work_s = time.perf_counter() - started
    packages = PACKAGES[job.system.removesuffix("-batched")]
    result = {
        "load_s": loaded.load_s,
        "start_s": start_s,
        "work_s": work_s,
        "cpu_s": watch.cpu_s() - cpu_before_s,
        **asdict(answers),
        "versions": {name: importlib.metadata.version(name) for name in packages},
    }
    Path(job.result).write_text(json.dumps(result, ensure_ascii=False), encoding="utf-8")
    os._exit(0)  # what libraries do on their way out is not measured, and cannot spoil what was


if __name__ == "__main__":
    main()
