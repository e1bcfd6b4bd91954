"""What an installation brings: the settings in the wheel, the commands, the library alone without Spark."""

from __future__ import annotations

import importlib
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from transcribe import layers
from transcribe.models.registry import Registry

if sys.version_info >= (3, 11):
    import tomllib
else:  # pytest brings it
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_the_wheel_holds_every_package_all_of_conf_and_the_pages_templates() -> None:
    setuptools = PROJECT["tool"]["setuptools"]
    code = {
        path.parent.relative_to(ROOT).as_posix().replace("/", ".")
        for package in ("transcribe", "udfs", "jobs")
        for path in (ROOT / package).rglob("__init__.py")
    }
    assert sorted(setuptools["packages"]) == sorted({*code, "transcribe.conf"})
    conf, pages = ROOT / setuptools["package-dir"]["transcribe.conf"], ROOT / "transcribe" / "pages"
    packed = {
        folder: {path for pattern in setuptools["package-data"][package] for path in folder.glob(pattern)}
        for package, folder in {"transcribe.conf": conf, "transcribe.pages": pages}.items()
    }
    assert packed[conf] == {path for path in conf.rglob("*") if path.is_file() and path.suffix != ".md"}
    assert packed[pages] == {path for path in pages.iterdir() if path.is_file() and path.suffix != ".py"}


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
    commands = PROJECT["project"]["scripts"]
    assert set(commands) >= {"transcribe", "transcribe-models", "transcribe-nightly"}
    for target in commands.values():
        module, _, function = target.partition(":")
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
