"""Hypotheses to a transcript, on the recording's clock."""
