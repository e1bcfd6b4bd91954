"""Layers of settings as one mapping: YAML files in order, then ``key=value`` overrides; later ones win."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from transcribe.errors import ConfigError

_HERE = Path(__file__).resolve().parent
CONF = _HERE / "conf" if (_HERE / "conf").is_dir() else _HERE.parent / "conf"
"""The project's own settings and models: inside the package where it is installed, else the checkout's."""


def shipped(path: str | Path) -> Path:
    """The file at ``path``; one of ``conf/`` that is not below the working folder is the project's own."""
    given = Path(path)
    if given.exists() or given.parts[:1] != (CONF.name,):
        return given
    return CONF.joinpath(*given.parts[1:])


def merged(files: Sequence[str | Path], overrides: Mapping[str, Any] | Sequence[str]) -> dict[str, Any]:
    """Nested by the parts of their keys. Raises ``ConfigError`` for a missing file or bad YAML."""
    settings: dict[str, Any] = {}
    for file in files:
        _merge(settings, _read(shipped(file)))
    for key, value in _pairs(overrides):
        _merge(settings, _nest(key, value))
    return settings


def _read(path: Path) -> dict[str, Any]:
    try:
        loaded = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise ConfigError(
            "--conf", str(path), f"cannot be read ({error.strerror}); name an existing YAML file"
        ) from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: bytes, or a date that is in no calendar
        raise ConfigError("--conf", str(path), f"is not valid YAML: {error}") from None
    if not isinstance(loaded, dict):
        raise ConfigError("--conf", str(path), "must hold a mapping of settings")
    return loaded


def _pairs(overrides: Mapping[str, Any] | Sequence[str]) -> list[tuple[str, Any]]:
    if isinstance(overrides, Mapping):
        return list(overrides.items())
    pairs = []
    for item in overrides:
        key, equals, value = item.partition("=")
        if not equals:
            raise ConfigError("--set", item, "write it as key=value, e.g. decode.beam_size=1")
        try:
            pairs.append((key.strip(), value if _is_sparks(key) else yaml.safe_load(value)))
        except (yaml.YAMLError, ValueError) as error:  # ValueError: a date that is in no calendar
            raise ConfigError("--set", item, f"the value is not valid YAML ({_in_a_line(error)})") from None
    return pairs


def _in_a_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _is_sparks(key: str) -> bool:
    """Spark's own keys hold dots, and their values are text: ``1:30`` must not become YAML's 90."""
    return key.strip().startswith("spark.conf.")


def _nest(key: str, value: Any) -> dict[str, Any]:
    if _is_sparks(key):
        return {"spark": {"conf": {key.removeprefix("spark.conf."): str(value)}}}
    for part in reversed(key.split(".")):
        value = {part: value}
    return dict(value)


def _merge(into: dict[str, Any], new: Mapping[str, Any]) -> None:
    for key, value in new.items():
        if isinstance(value, Mapping):
            into[key] = into[key] if isinstance(into.get(key), dict) else {}
            _merge(into[key], value)
        else:
            into[key] = value
