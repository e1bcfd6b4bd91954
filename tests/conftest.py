"""Fixtures live in plugins named after what they start; some tests run only when they are asked for."""

from __future__ import annotations

import pytest

ON_REQUEST = ("acceptance", "browser")
pytest_plugins = ("spark_fixtures", "s3_fixtures", "browser_fixtures")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what is marked with one of ``ON_REQUEST``, unless ``-m`` names that."""
    left_out = [marker for marker in ON_REQUEST if marker not in config.option.markexpr]
    asked = [item for item in items if any(map(item.get_closest_marker, left_out))]
    config.hook.pytest_deselected(items=asked)
    items[:] = [item for item in items if item not in asked]
