"""Rewrites the parts of the READMEs that are derived from the code; ``docs.py --check`` only looks.

The settings come from their fields, the tables from their schemas. Each part stands between
``<!-- NAME -->`` and ``<!-- /NAME -->`` in its document.
Exit code 1 if ``--check`` finds one stale.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pyarrow as pa
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from transcribe.config import Config
from transcribe.tables import schemas, views
from transcribe.verdicts import Doubt, Status

ROOT = Path(__file__).resolve().parents[1]
TABLES = {
    "transcripts": schemas.TRANSCRIPTS,
    "failures": schemas.FAILURES,
    "runs": schemas.RUNS,
    "differences": schemas.DIFFERENCES,
    "removals": schemas.REMOVALS,
}
DOCUMENTS = {
    "conf/README.md": ["settings"],
    "transcribe/tables/README.md": ["views", *TABLES, "statuses", "doubts"],
}
"""Which parts stand in which document."""
TYPES = {"int32": "int", "bool": "boolean", "timestamp[us, tz=UTC]": "timestamp"}

Row = tuple[str, ...]


def settings(model: type[BaseModel] = Config, prefix: str = "") -> Iterator[Row]:
    """(key, default as YAML would say it, meaning) of every setting."""
    for name, field in model.model_fields.items():
        section = _section(field)
        is_own = field.annotation is section
        if section is not None and is_own:
            yield from settings(section, f"{prefix}{name}.")
            continue
        yield f"{prefix}{name}", _default(field), field.description or ""
        if section is not None:  # a mapping of sections
            yield from settings(section, f"{prefix}{name}.*.")


def _section(field: FieldInfo) -> type[BaseModel] | None:
    candidates = (field.annotation, *get_args(field.annotation))
    return next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), None)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return ""
    return json.dumps(_plain(field.get_default(call_default_factory=True))).replace('"', "")


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(exclude_defaults=True)
    return {key: _plain(inner) for key, inner in value.items()} if isinstance(value, dict) else value


def columns(fields: pa.Schema | pa.StructType, prefix: str = "") -> Iterator[Row]:
    """(column, type, meaning), nested ones as ``utterances[].words[].text``."""
    for field in fields:
        is_list = pa.types.is_list(field.type)
        inner = field.type.value_type if is_list else field.type
        meaning = (field.metadata or {}).get(b"comment", b"").decode()
        yield f"{prefix}{field.name}", _type_name(field.type), meaning
        if pa.types.is_struct(inner):
            yield from columns(inner, f"{prefix}{field.name}{'[]' if is_list else ''}.")


def _type_name(type_: pa.DataType) -> str:
    if pa.types.is_list(type_):
        return f"array<{_type_name(type_.value_type)}>"
    if pa.types.is_struct(type_):
        return "struct"
    if pa.types.is_map(type_):
        return f"map<{_type_name(type_.key_type)}, {_type_name(type_.item_type)}>"
    return TYPES.get(str(type_), str(type_))


def markdown(header: Row, rows: list[Row], as_code: int) -> str:
    """A table whose first ``as_code`` columns are code."""
    cells = [
        [f"`{cell}`" if i < as_code and cell else cell.replace("|", "\\|") for i, cell in enumerate(row)]
        for row in rows
    ]
    lines = [header, ["---"] * len(header), *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def part(name: str) -> str:
    """The Markdown of a derived part."""
    if name == "settings":
        return markdown(("Key", "Default", "Meaning"), list(settings()), 2)
    if name == "views":
        told: list[Row] = [(view.name, view.meaning, _told(view)) for view in views.VIEWS]
        return markdown(("View", "A row is", "Columns"), told, 1)
    if name == "statuses":
        return markdown(("Status", "Meaning"), [(str(status), status.meaning) for status in Status], 1)
    if name == "doubts":
        return markdown(("Why", "Meaning"), [(str(doubt), doubt.meaning) for doubt in Doubt], 1)
    return markdown(("Column", "Type", "Meaning"), list(columns(TABLES[name])), 2)


def _told(view: views.View) -> str:
    """Its columns, with their meaning those that are the view's own."""
    return ", ".join(
        f"`{one.field.name}` ({one.field.metadata[b'comment'].decode()})"
        if one.is_own
        else f"`{one.field.name}`"
        for one in view.columns
    )


def rewritten(document: str, text: str) -> str:
    """A document with every part brought up to date. Raises ValueError when one has no place in it."""
    for name in DOCUMENTS[document]:
        begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        if text.count(begin) != 1 or text.count(end) != 1:
            raise ValueError(f"{document} needs one {begin} … {end}")
        head, _, rest = text.partition(begin)
        text = "\n".join([head + begin, part(name), end + rest.partition(end)[2]])
    return text


def main() -> int:
    stale = []
    for document in DOCUMENTS:
        path = ROOT / document
        text = path.read_text(encoding="utf-8")
        fresh = rewritten(document, text)
        if fresh != text:
            stale.append(document)
            if sys.argv[1:] != ["--check"]:
                path.write_text(fresh, encoding="utf-8")
    if stale and sys.argv[1:] == ["--check"]:
        print(f"{', '.join(stale)}: not what the code says, run scripts/docs.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
