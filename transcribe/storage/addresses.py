"""How places are written: ``s3://bucket/key`` and paths, their aliases, globs and hidden names."""

from __future__ import annotations

import os
import re
from urllib.parse import unquote

_S3 = re.compile(r"s3[an]?://", re.IGNORECASE)
_FILE = re.compile(r"file:(?://(?:localhost)?)?(?=/)", re.IGNORECASE)


def canonical(uri: str) -> str:
    """``s3a://`` and ``s3n://`` as ``s3://``, ``file:/`` and ``file:///`` as the path; others as they are.

    Spark writes such addresses with or without ``%20`` for a space: of a ``file:`` address that is taken
    literally if there is such a file, else decoded.
    """
    if scheme := _S3.match(uri):
        return f"s3://{uri[scheme.end() :]}"
    if scheme := _FILE.match(uri):
        path = uri[scheme.end() :]
        there = os.path.exists(path)  # noqa: PTH110  of any name: too long, with a NUL
        return path if there else unquote(path, errors="surrogateescape")
    return uri


def before_wildcard(pattern: str) -> str:
    """The folder part before the first wildcard, with its ``/``."""
    literal = re.split(r"[*?]", pattern, maxsplit=1)[0]
    return literal[: literal.rfind("/") + 1]


def glob(pattern: str) -> re.Pattern[str] | None:
    """``**/`` is any number of folders, ``*`` and ``?`` stay within one name; None without a wildcard."""
    if not re.search(r"[*?]", pattern):
        return None
    tokens = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", pattern)
    return re.compile("".join(tokens.get(part, re.escape(part)) for part in parts), re.DOTALL)
