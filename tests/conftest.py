"""Fixtures live in plugins named after what they start; what takes long runs when it is asked for."""

from __future__ import annotations

import pytest

pytest_plugins = ("spark_fixtures", "s3_fixtures")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what is marked ``acceptance``, unless ``-m`` names that."""
    if "acceptance" in config.option.markexpr:
        return
    long = [item for item in items if item.get_closest_marker("acceptance")]
    config.hook.pytest_deselected(items=long)
    items[:] = [item for item in items if item not in long]
