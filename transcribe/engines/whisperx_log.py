"""WhisperX's log goes where ours does: by itself it is printed among transcripts, on stdout."""

from __future__ import annotations

import logging


def take_over() -> None:
    """From now on in this process. WhisperX sets its log up whenever it finds that it has no handler."""
    log = logging.getLogger("whisperx")
    log.handlers[:] = [logging.NullHandler()]
    log.propagate = True
    log.setLevel(logging.NOTSET)
