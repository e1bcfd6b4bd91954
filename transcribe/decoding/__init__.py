"""Chunks to believable hypotheses."""
