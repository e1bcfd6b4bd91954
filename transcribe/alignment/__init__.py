"""Attention to word times, on the chunk's clock."""
