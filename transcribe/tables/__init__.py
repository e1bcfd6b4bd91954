"""The published tables, without Spark."""
