"""Fixtures for every test module live in plugins named after what they start."""

pytest_plugins = ("spark_fixtures", "s3_fixtures")
