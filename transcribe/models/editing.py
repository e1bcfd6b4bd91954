"""Entries of the registry's files changed where they stand: comments and all other lines stay as they are."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transcribe.errors import ConfigError


def set_traits(models: Path, name: str, traits: Mapping[str, Any]) -> Path:
    """Writes traits into the entry of that name, beside those it has; gives the file that holds it.

    ``models``: the registry's file or folder. Raises ``ConfigError`` when no file has the entry, or it cannot
    be written.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.comments import CommentedSeq

    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 10**6  # no line is broken
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.representer.add_representer(
        type(None), lambda to, _: to.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    for file in sorted(models.glob("*.yaml")) if models.is_dir() else [models]:
        content = yaml.load(file)
        entry = (content.get("models") or {}).get(name)
        if entry is None:
            continue
        own = entry.setdefault("traits", {})
        for key, value in traits.items():
            if isinstance(value, (list, tuple)):
                value = CommentedSeq([list(one) for one in value])
                value.fa.set_flow_style()
            own[key] = value
        written = io.StringIO()
        yaml.dump(content, written)
        try:
            file.write_text(written.getvalue(), encoding="utf-8")
        except OSError as error:
            raise ConfigError("--models", str(file), f"cannot be written: {error.strerror}") from error
        return file
    raise ConfigError("NAME", name, f"no file of {models} has this entry")
