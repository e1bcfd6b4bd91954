"""Rewrites the parts of README.md that are derived from the code; ``docs.py --check`` only looks.

The file map comes from each file's first line of documentation, the configuration from the settings'
fields, the tables from their schemas. Each part stands between ``<!-- NAME -->`` and ``<!-- /NAME -->``.
Exit code 1 if ``--check`` finds the README stale.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pyarrow as pa
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from transcribe.config import Config
from transcribe.tables import schemas

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("transcribe", "udfs", "jobs", "conf", "scripts")
TABLES = {
    "transcripts": schemas.TRANSCRIPTS,
    "failures": schemas.FAILURES,
    "runs": schemas.RUNS,
}
TYPES = {"int32": "int", "bool": "boolean", "timestamp[us, tz=UTC]": "timestamp"}

Row = tuple[str, ...]


def files(root: Path = ROOT) -> list[Row]:
    """(path, what it is) of every file of ``FOLDERS``; empty ``__init__.py`` files apart."""
    paths = (path.relative_to(root) for folder in FOLDERS for path in sorted((root / folder).rglob("*")))
    return [
        (path.as_posix(), first_line(root / path))
        for path in paths
        if (root / path).is_file() and (root / path).stat().st_size and not any(map(_is_litter, path.parts))
        if path.parent.name != "clips"
    ]


def _is_litter(name: str) -> bool:
    return name == "__pycache__" or name.startswith(".")


def first_line(path: Path) -> str:
    """Of a module's docstring, or of the comment that a shell script or a YAML file begins with."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        return (ast.get_docstring(ast.parse(text)) or "").partition("\n")[0].replace("``", "`")
    comment = re.match(r"(?:#!.*\n)?# *(.*)", text)
    return comment[1] if comment else ""


def settings(model: type[BaseModel] = Config, prefix: str = "") -> Iterator[Row]:
    """(key, default as YAML would say it, meaning) of every setting."""
    for name, field in model.model_fields.items():
        section = _section(field)
        if section and field.annotation is section:
            yield from settings(section, f"{prefix}{name}.")
            continue
        yield f"{prefix}{name}", _default(field), field.description or ""
        if section:  # a mapping of sections
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


def parts() -> dict[str, str]:
    """Name → Markdown of everything that is derived."""
    found = {
        "files": markdown(("File", "What it is"), files(), 1),
        "settings": markdown(("Key", "Default", "Meaning"), list(settings()), 2),
    }
    for name, schema in TABLES.items():
        found[name] = markdown(("Column", "Type", "Meaning"), list(columns(schema)), 2)
    return found


def rewritten(readme: str) -> str:
    """The README with every part brought up to date. Raises ValueError when one has no place in it."""
    for name, text in parts().items():
        begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        if readme.count(begin) != 1 or readme.count(end) != 1:
            raise ValueError(f"README.md needs one {begin} … {end}")
        head, _, rest = readme.partition(begin)
        readme = "\n".join([head + begin, text, end + rest.partition(end)[2]])
    return readme


def main() -> int:
    path = ROOT / "README.md"
    readme = path.read_text(encoding="utf-8")
    fresh = rewritten(readme)
    if fresh == readme:
        return 0
    if sys.argv[1:] == ["--check"]:
        print("README.md is not what the code says: run scripts/docs.py", file=sys.stderr)
        return 1
    path.write_text(fresh, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
