"""Recordings to transcripts, without Spark."""

__version__ = "0.1.0"
