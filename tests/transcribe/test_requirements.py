"""Packages of unsupported versions are refused once, by name, before any work."""

from __future__ import annotations

from importlib import metadata

import pytest

from transcribe.errors import ConfigError
from transcribe.requirements import check_versions, unsupported


def test_this_environment_is_supported():
    check_versions("spark")


def test_a_package_outside_of_its_range_is_named_with_the_remedy(monkeypatch):
    required = ["numpy>=1", 'pandas>=2.2,<3; extra == "spark"']
    monkeypatch.setattr(metadata, "requires", lambda _: required)
    monkeypatch.setattr(metadata, "version", lambda name: {"numpy": "2.1", "pandas": "3.1.1"}[name])
    check_versions()
    with pytest.raises(ConfigError, match=r"pandas = '3.1.1'.*pip install 'pandas<3,>=2.2'"):
        check_versions("spark")


def test_what_is_not_installed_and_what_is_for_other_systems_is_no_concern():
    required = ["no-such-package-anywhere>=1", 'numpy<0.1; sys_platform == "plan9"']
    assert list(unsupported(required, ["spark"])) == []
