"""Which Java Spark gets, tried with stand-ins; and what is said where there is none."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from jobs import session
from jobs.spark import java
from transcribe.errors import ConfigError


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment of its own without any Java."""
    monkeypatch.setenv("JAVA_HOME", "")  # else what is set below would outlive the test
    monkeypatch.delenv("JAVA_HOME")
    monkeypatch.setenv("PATH", f"{tmp_path}/bin")
    monkeypatch.setattr(sys, "prefix", f"{tmp_path}/venv")
    return tmp_path


def make_java(home: Path, version: str = "17.0.1", refuses: str = "nothing") -> Path:
    path = home / "bin/java"
    path.parent.mkdir(parents=True)
    path.write_text(
        f"""#!/bin/sh
case "$*" in *{refuses}*) echo "Module not found" >&2; exit 1;; esac
echo 'openjdk version "{version}" 2025-01-21' >&2
"""
    )
    path.chmod(0o755)
    return home


def test_java_home_first_then_the_environments_own_then_the_paths(bare: Path) -> None:
    wanted = make_java(bare)
    java.use_java()
    assert os.environ["JAVA_HOME"] == str(wanted)
    os.environ.pop("JAVA_HOME")
    wanted = make_java(bare / "venv/java", "21")
    java.use_java()
    assert os.environ["JAVA_HOME"] == str(wanted)
    os.environ["JAVA_HOME"] = str(make_java(bare / "jdk", "25.0.1"))
    java.use_java()
    assert os.environ["JAVA_HOME"] == str(bare / "jdk")


@pytest.mark.parametrize("unfit", [("1.8.0_392",), ("11.0.2",), ("17", "jdk.incubator.vector")])
def test_a_java_that_spark_does_not_start_on_gives_way(unfit: tuple[str, ...], bare: Path) -> None:
    os.environ["JAVA_HOME"] = str(make_java(bare / "jdk", *unfit))
    with pytest.raises(ConfigError, match=r"JAVA_HOME = .*apt install.*scripts/demo"):
        java.use_java()
    wanted = make_java(bare / "venv/java")
    java.use_java()
    assert os.environ["JAVA_HOME"] == str(wanted)


def test_a_session_is_not_tried_without_java(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "active", lambda: None)
    for name in [session.SUBMITTED]:
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError, match="Java 17 or newer"):
        session.open()
