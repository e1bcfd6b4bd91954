"""The Java that Spark starts: found, and tried, before Spark's launcher fails over it in words of its own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from transcribe.errors import ConfigError

MIN_VERSION = 17
REMEDY = (
    f"Spark needs Java {MIN_VERSION} or newer: install it (Debian: apt install openjdk-17-jre-headless), "
    "or run scripts/demo, which brings one into .venv; set JAVA_HOME where it is not on the path"
)
_TRIED_WITH = "--add-modules=jdk.incubator.vector"  # Spark's launcher does
LIMIT_S = 60


def use_java() -> None:
    """Makes ``JAVA_HOME``, this environment's own Java or the path's the one that Spark starts.

    The first that is fit; without one raises ``ConfigError``.
    """
    home = os.environ.get("JAVA_HOME")
    homes = [Path(home)] if home else []
    homes.append(Path(sys.prefix, "java"))  # scripts/demo lays it there
    on_path = shutil.which("java")
    if on_path:
        homes.append(Path(on_path).resolve().parents[1])
    for candidate in homes:
        if is_fit(candidate):
            os.environ["JAVA_HOME"] = str(candidate)
            return
    raise ConfigError("JAVA_HOME", home, REMEDY)


def is_fit(home: Path) -> bool:
    """Does the Java there start as Spark starts it, and is it new enough?"""
    try:
        told = subprocess.run(
            [home / "bin" / "java", _TRIED_WITH, "-version"], capture_output=True, text=True, timeout=LIMIT_S
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    version = re.search(r'version "(\d+)', told.stderr)
    return told.returncode == 0 and version is not None and int(version[1]) >= MIN_VERSION
