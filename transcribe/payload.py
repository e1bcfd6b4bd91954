"""The dataclasses of ``types.py`` as JSON: how they travel between Spark stages."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import TypeAdapter
from pydantic_core import to_json

T = TypeVar("T")

_adapters: dict[type[Any], TypeAdapter[Any]] = {}  # building one is slow


def dump(value: Any) -> str:
    """JSON of a dataclass; floats keep every digit, and NaN and the infinities stay what they are."""
    return to_json(value, inf_nan_mode="constants").decode()


def parse(kind: type[T], text: str) -> T:
    """The ``kind`` that ``dump`` wrote."""
    value: T = _adapter(kind).validate_json(text)
    return value


def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    if kind not in _adapters:
        _adapters[kind] = TypeAdapter(kind)
    return _adapters[kind]
