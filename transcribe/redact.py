"""Settings as text that others may read: the values of secrets become ``***``.

Every place where settings leave a process as text (tables, pages, JSON, logs, messages) takes them from here.
"""

from __future__ import annotations

import re
from typing import Any

HIDDEN = "***"
_SECRET = re.compile(
    r"secret|passw|pwd|token|credential|signature|\bsas\b|access.?key|private.?key|api.?key|account.?key"
    r"|connection.?(url|string)|://[^/\s@]*@",
    re.IGNORECASE,
)
"""More than Spark's ``spark.redaction.regex`` (secret, password, token, access key). A value counts as well
as its key: JVM options and URLs hold passwords."""


def is_secret(key: object, value: object = "") -> bool:
    """Return True if a setting's key or value says that its value is a secret."""
    return bool(_SECRET.search(str(key)) or _SECRET.search(str(value)))


def redact(settings: Any, key: str = "") -> Any:
    """Return nested settings (of a configuration's ``model_dump``) without the values of secrets."""
    if isinstance(settings, dict):
        return {name: redact(value, str(name)) for name, value in settings.items()}
    if isinstance(settings, (list, tuple)):
        return [redact(value, key) for value in settings]
    return HIDDEN if settings is not None and is_secret(key, settings) else settings


def redact_pair(pair: str) -> str:
    """Return a ``key=value`` as it may be shown."""
    key, separator, value = pair.partition("=")
    return f"{key}={HIDDEN}" if separator and is_secret(key, value) else pair
