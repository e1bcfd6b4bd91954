"""What all settings have in common: unknown keys are refused, and what is wrong is said in words."""

from __future__ import annotations

import difflib
from typing import Annotated, Any, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from transcribe.errors import ConfigError, LanguageError
from transcribe.languages import normalize_hint, whisper_code


class Section(BaseModel):
    """A part of a YAML file; immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _language_code(value: object) -> str:
    """Whisper's code of what a setting calls a language; YAML reads a bare ``no`` as false."""
    written = "no" if value is False else str(value)
    try:
        tag = normalize_hint(written)
    except LanguageError as error:
        raise ValueError(f"{error.message}; {error.next_step.partition(';')[0]}") from None
    if tag is None:
        raise ValueError("name a language, such as en, or leave it out")
    return whisper_code(tag)


LanguageCode = Annotated[str, BeforeValidator(_language_code)]
"""A setting that names a language, in any way that a recording's hint may: ``pt-BR`` becomes ``pt``."""


def explained(error: ValidationError, model: type[BaseModel]) -> ConfigError:
    """The first problem in words; for an unknown key, the nearest known one."""
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"]) or "configuration"
    if first["type"] != "extra_forbidden":
        is_whole = isinstance(first["input"], (dict, BaseModel))  # a rule over several keys
        value = "these settings together" if is_whole else first["input"]
        return ConfigError(key, value, first["msg"].removeprefix("Value error, "))
    section: Any = model
    for part in first["loc"][:-1]:  # through sections, and through the values of dict[str, ...]
        is_section = hasattr(section, "model_fields")
        section = section.model_fields[str(part)].annotation if is_section else get_args(section)[1]
    known = sorted(section.model_fields)
    near = difflib.get_close_matches(str(first["loc"][-1]), known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known keys here: {', '.join(known)}"
    return ConfigError(key, first["input"], f"unknown setting; {hint}")
