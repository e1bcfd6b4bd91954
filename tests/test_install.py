"""What an installation brings: the settings in the wheel, the commands, the library alone without Spark."""

from __future__ import annotations

import importlib
import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from transcribe import layers
from transcribe.models.registry import Registry

ROOT = Path(__file__).resolve().parents[1]


def test_the_wheel_holds_all_of_conf_and_the_pages_templates(monkeypatch: pytest.MonkeyPatch) -> None:
    told: dict[str, Any] = {}
    fake = SimpleNamespace(setup=lambda **given: told.update(given), find_packages=lambda include: [])
    monkeypatch.setitem(sys.modules, "setuptools", fake)
    runpy.run_path(str(ROOT / "setup.py"))
    (package,) = told["packages"]
    folder = ROOT / told["package_dir"][package]
    packed = {path for pattern in told["package_data"][package] for path in folder.glob(pattern)}
    assert packed == {path for path in folder.rglob("*") if path.is_file() and path.suffix != ".md"}
    pages = ROOT / "transcribe" / "pages"
    templates = {path for pattern in told["package_data"]["transcribe.pages"] for path in pages.glob(pattern)}
    assert templates == {path for path in pages.iterdir() if path.is_file() and path.suffix != ".py"}


def test_an_installed_package_finds_its_settings_in_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert layers.shipped("conf/local.yaml") == ROOT / "conf/local.yaml"
    assert Registry.load(layers.shipped("conf/models")).models
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/local.yaml").write_text("{}")
    assert layers.shipped("conf/local.yaml") == Path("conf/local.yaml")  # one's own comes first
    assert layers.shipped("other.yaml") == Path("other.yaml")
    installed = tmp_path / "site-packages/transcribe"
    (installed / "conf").mkdir(parents=True)
    (installed / "layers.py").write_text((ROOT / "transcribe/layers.py").read_text())
    assert runpy.run_path(str(installed / "layers.py"))["CONF"] == installed / "conf"


def test_commands_lead_to_functions() -> None:
    text = (ROOT / "pyproject.toml").read_text().partition("[project.scripts]\n")[2].partition("\n\n")[0]
    commands = dict(line.split(" = ") for line in text.splitlines())
    assert set(commands) >= {"transcribe", "transcribe-models", "transcribe-nightly"}
    for target in commands.values():
        module, _, function = target.strip('"').partition(":")
        assert callable(getattr(importlib.import_module(module), function))


def test_one_file_needs_neither_spark_nor_tables_nor_opencc() -> None:
    banned = ["pyspark", "pandas", "deltalake", "opencc"]
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({banned}))\n"
        "import transcribe.__main__, transcribe.pipeline, transcribe.inputs.read, transcribe.models.__main__"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert done.returncode == 0, done.stderr


def test_without_spark_the_jobs_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'spark-transcribe\[spark\]'"):
        runpy.run_path(str(ROOT / "jobs/__init__.py"))
