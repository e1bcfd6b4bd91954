"""YAML files as plain data, and the line on which each of their values stands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from transcribe.errors import ConfigError

Keys = tuple[str, ...]
"""From the outermost key inwards; places in lists as text."""

_MERGE = "tag:yaml.org,2002:merge"


@dataclass(frozen=True)
class Located:
    """What one or several files say. ``lines``: FILE:LINE of every key and list item."""

    content: dict[str, Any]
    lines: dict[Keys, str]

    def at(self, *keys: object) -> str:
        """FILE:LINE of what stands under these keys, else of the nearest thing around it."""
        found = tuple(map(str, keys))
        while found and found not in self.lines:
            found = found[:-1]
        return self.lines.get(found, "")

    def below(self, *keys: object) -> dict[Keys, str]:
        """The lines under these keys, without them."""
        top = tuple(map(str, keys))
        return {found[len(top) :]: at for found, at in self.lines.items() if found[: len(top)] == top}


def read(path: Path, key: str, what: str) -> Located:
    """The mapping in a YAML file. Raises ``ConfigError`` for ``key`` when there is none (``what`` it should
    be), or when the same key stands twice in a mapping: YAML itself would take the last.
    """
    try:
        loader = yaml.SafeLoader(path.read_text(encoding="utf-8"))
        node = loader.get_single_node()
        lines = dict(_lines(node, (), path, key)) if node else {}
        content = loader.construct_document(node) if node else None
    except OSError as error:
        raise ConfigError(key, str(path), f"cannot be read: {error.strerror}") from error
    except RecursionError:
        raise ConfigError(key, str(path), "not valid YAML: an alias stands inside its own anchor") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(key, str(path), f"not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise ConfigError(key, str(path), what)
    return Located(content, {(): str(path), **lines})


def _lines(node: yaml.Node, keys: Keys, path: Path, setting: str) -> Iterator[tuple[Keys, str]]:
    if isinstance(node, yaml.SequenceNode):
        for n, item in enumerate(node.value):
            yield (*keys, str(n)), f"{path}:{item.start_mark.line + 1}"
            yield from _lines(item, (*keys, str(n)), path, setting)
    elif isinstance(node, yaml.MappingNode):
        seen = set()
        for name, value in node.value:
            if name.tag == _MERGE:
                continue
            own, at = (*keys, str(name.value)), f"{path}:{name.start_mark.line + 1}"
            if own in seen:
                raise ConfigError(setting, ".".join(own), f"stands there twice; keep one ({at})")
            seen.add(own)
            yield own, at
            yield from _lines(value, own, path, setting)
