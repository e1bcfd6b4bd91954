"""The registry's files changed where they stand: comments and all other lines stay as they are."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any

from yaml import SafeLoader, ScalarNode

from transcribe.errors import ConfigError
from transcribe.models.reading import model_files

Node = MutableMapping[str, Any]
TEXT = "tag:yaml.org,2002:str"


class Edits:
    """Changes to some YAML files, which nobody sees before ``save``."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._yaml = _yaml()
        self._files = {file: self._yaml.load(file) or {} for file in files}
        self._before = {file: self._dumped(file) for file in files}

    def entry(self, name: str) -> Node:
        """The model's entry. Raises ``ConfigError`` when no file has it."""
        for content in self._files.values():
            entry: Node | None = (content.get("models") or {}).get(name)
            if entry is not None:
                return entry
        raise ConfigError("NAME", name, f"no file of {', '.join(map(str, self._files))} has this entry")

    def set_traits(self, name: str, traits: Mapping[str, Any]) -> None:
        """Beside those that the entry has."""
        own = self.entry(name).setdefault("traits", {})
        for key, value in traits.items():
            own[key] = flowing(value)

    def append(self, name: str, key: str, item: Mapping[str, Any]) -> None:
        """An item, in a line, to a list of the entry."""
        self.entry(name).setdefault(key, []).append(flowing(item))

    def lead(self, to: str, instead_of: str) -> int:
        """All routes to one model, the default's too, to another; how many they are."""
        found = [(node, key) for node, key in self._leading() if node.get(key) == instead_of]
        for node, key in found:
            node[key] = to
        return len(found)

    def save(self, check: Callable[[], object]) -> list[Path]:
        """The files that change. ``check`` reads them; when it raises, they are as before."""
        changed = {file: text for file in self._files if (text := self._dumped(file)) != self._before[file]}
        former = {file: file.read_bytes() for file in changed}
        try:
            for file, text in changed.items():
                file.write_text(text, encoding="utf-8")
            check()
        except BaseException as error:
            for file, content in former.items():
                if file.read_bytes() != content:
                    file.write_bytes(content)
            if isinstance(error, OSError):
                remedy = f"cannot be written: {error.strerror}"
                raise ConfigError("--models", str(error.filename), remedy) from error
            raise
        return list(changed)

    def _leading(self) -> Iterator[tuple[Node, str]]:
        """Wherever a model may be named that is led to, and under which key."""
        for content in self._files.values():
            yield content, "default"
            profiles = [one for kind in ("regions", "services") for one in (content.get(kind) or {}).values()]
            for holder in (content, *filter(None, profiles)):
                yield from ((route, "model") for route in holder.get("routes") or ())

    def _dumped(self, file: Path) -> str:
        written = io.StringIO()
        self._yaml.dump(self._files[file], written)
        return written.getvalue()


def set_traits(models: Path, name: str, traits: Mapping[str, Any]) -> Path:
    """Writes traits into the entry of that name, beside those it has; gives the file that holds it.

    ``models``: the registry's file or folder. Raises ``ConfigError`` when no file has the entry, or it cannot
    be written.
    """
    edits = Edits(model_files(models))
    edits.set_traits(name, traits)
    return edits.save(lambda: None)[0]


def dumped(content: Mapping[str, Any]) -> str:
    """New content in the style of the registry's files."""
    written = io.StringIO()
    _yaml().dump(_quoted(content), written)
    return written.getvalue()


def _yaml() -> Any:
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 10**6  # no line is broken
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.representer.add_representer(
        type(None), lambda to, _: to.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    return yaml


def flowing(value: Any) -> Any:
    """A list or mapping in one line."""
    from ruamel.yaml.comments import CommentedMap, CommentedSeq

    made = _quoted(value)
    if isinstance(made, list):
        made = CommentedSeq(made)
    elif isinstance(made, dict):
        made = CommentedMap(made)
    else:
        return made
    made.fa.set_flow_style()
    return made


def _quoted(value: Any) -> Any:
    """The same, with quotes around new text that the registry's reader would take for something else: no, on,
    1:20."""
    from ruamel.yaml.comments import CommentedBase
    from ruamel.yaml.scalarstring import SingleQuotedScalarString

    if isinstance(value, CommentedBase):  # stands as it is to be
        return value
    if isinstance(value, Mapping):
        return {key: _quoted(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_quoted(one) for one in value]
    resolver: Any = SafeLoader("")
    if isinstance(value, str) and resolver.resolve(ScalarNode, value, (True, False)) != TEXT:
        return SingleQuotedScalarString(value)
    return value
