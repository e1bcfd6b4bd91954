"""Every kind of place below an output that can name a recording, and what finds it there.

Whatever writes a new kind of place has a line here: ``tests/jobs/test_remove.py`` writes an id into every
output that there is and looks for it in all bytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from transcribe.removal import deliveries, evaluations, pages, rows
from transcribe.removal.tree import Find, Trace, Tree
from transcribe.tables.removed import Removed

ROWS: tuple[Find, ...] = (rows.rows, rows.texts_of_runs)
"""What readers see of tables: taken out at once."""

NAMED_FILES: tuple[Find, ...] = (
    deliveries.deliveries,
    pages.pages_of_runs,
    pages.reports,
    pages.pages_of_recordings,
    evaluations.summaries,  # these two before the lines by which they are known
    evaluations.trials,
    evaluations.lines,
)
"""Files beside tables."""

FILES = (*NAMED_FILES, rows.past)
"""What is left once rows are taken out: erased by ``--now`` or by ``jobs.maintain``."""


def find(tree: Tree, removed: Removed, kinds: tuple[Find, ...]) -> Iterator[Trace]:
    """Yield each trace of removed recordings in these kinds of places."""
    for kind in kinds:
        yield from kind(tree, removed)


def counted(traces: Iterable[Trace], *, take_out: bool = False) -> dict[str, int]:
    """Return how many there are of each kind; take each out before the next one is looked for."""
    counts: Counter[str] = Counter()
    for trace in traces:
        if take_out:
            trace.take_out()
        counts[trace.kind] += trace.n
    return dict(counts)
