"""A run that has begun can be seen until it has its row; one that was killed is told from one under way."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

from tables_fixtures import LOCAL

from transcribe.tables import running
from transcribe.tables.running import Begun

AT = datetime(2026, 1, 31, 2, 0, tzinfo=timezone.utc)


def test_a_run_is_noted_from_its_beginning_to_its_end(tmp_path: Path) -> None:
    assert running.begun(str(tmp_path), LOCAL) == []
    later, first = (Begun.here(name, "nightly", AT.replace(hour=hour)) for name, hour in (("b", 3), ("a", 2)))
    for one in (later, first):
        running.write(str(tmp_path), one, LOCAL)
    (tmp_path / "running" / "x.json").write_text("{")
    assert running.begun(str(tmp_path), LOCAL) == [first, later]
    assert not first.is_dead and "has not ended" in str(first)
    running.end(str(tmp_path), "a", LOCAL)
    running.end(str(tmp_path), "a", LOCAL)
    assert running.begun(str(tmp_path), LOCAL) == [later]


def test_a_process_that_is_gone_is_told_from_one_that_works_and_from_one_elsewhere() -> None:
    code = "import sys; sys.stdin.read()"
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)
    here = Begun.here("a", "nightly", AT)
    other = replace(here, pid=process.pid, process=running._started(process.pid))
    assert not other.is_dead
    process.communicate()
    assert other.is_dead and "never ended" in str(other)
    assert replace(here, process="another that had this number").is_dead
    assert not replace(other, host="elsewhere").is_dead
