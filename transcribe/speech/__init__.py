"""Samples to chunks: find speech, pack it."""
