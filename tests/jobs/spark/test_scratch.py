"""Where audio lies while a run works: nobody else can read it, and nothing of it stays. No Spark."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from jobs.spark import scratch
from jobs.spark.scratch import Scratch
from transcribe.errors import ConfigError


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_nobody_else_can_look_into_it_and_it_goes(tmp_path: Path) -> None:
    one = Scratch(str(tmp_path))
    assert {mode(one.folder), mode(one.folder.parent), mode(one.log.parent)} == {0o700}
    (one.folder / "blockmgr").mkdir()
    (one.folder / "blockmgr" / "rdd_1").write_bytes(b"audio")
    one.log.touch()
    one.remove()
    one.remove()
    assert not one.folder.exists() and one.log.exists()


def test_a_run_that_lives_keeps_its_folder_and_a_killed_one_does_not(tmp_path: Path) -> None:
    alive = Scratch(str(tmp_path))
    program = f"import os\nfrom jobs.spark.scratch import Scratch\nprint(Scratch({str(tmp_path)!r}).folder)\n"
    program += "os.kill(os.getpid(), 9)"
    killed = subprocess.run(
        [sys.executable, "-u", "-c", program], capture_output=True, text=True, check=False, cwd=Path.cwd()
    )
    left = Path(killed.stdout.strip())
    assert killed.returncode == -9 and left.is_dir()
    (left / "rdd_1").write_bytes(b"audio")
    third = Scratch(str(tmp_path))
    assert not left.exists()
    assert alive.folder.exists() and third.folder.exists()
    alive.remove()
    third.remove()


def test_only_so_many_logs_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "N_LOGS", 3)
    one = Scratch(str(tmp_path))
    for n in range(5):
        (one.log.parent / f"spark-2020010{n}-000000-1.log").touch()
    one.remove()
    two = Scratch(str(tmp_path))
    two.log.touch()
    kept = sorted(path.name for path in two.log.parent.iterdir())
    assert kept[:2] == ["spark-20200103-000000-1.log", "spark-20200104-000000-1.log"] and len(kept) == 3
    two.remove()


def test_a_place_that_cannot_be_had_is_a_wrong_setting(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="choose another folder"):
        Scratch(str(tmp_path / "file"))
    root = Scratch(str(tmp_path))
    root.remove()
    path = root.folder.parent
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")  # laid by somebody else
    with pytest.raises(ConfigError, match="belongs to somebody else"):
        Scratch(str(tmp_path))
