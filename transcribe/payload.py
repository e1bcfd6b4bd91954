"""The dataclasses of ``types.py`` as JSON: how they travel between Spark stages."""

from __future__ import annotations

from collections.abc import Hashable
from functools import cache
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter

T = TypeVar("T")


@cache
def _adapter(kind: Hashable) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def dump(value: Any) -> str:
    """JSON of a dataclass; floats keep every digit."""
    return _adapter(type(value)).dump_json(value).decode()


def parse(kind: type[T], text: str) -> T:
    """The ``kind`` that ``dump`` wrote."""
    value: T = _adapter(cast(Hashable, kind)).validate_json(text)
    return value
