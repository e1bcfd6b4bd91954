"""New recordings whose files are not new: removed under another id, or published under another one.

So it is when a folder is listed instead of its manifest: ids are paths then. Somebody who wants a file under
several ids lists all of them in one input.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from jobs.night.plan import Plan
from transcribe.escape import printable
from transcribe.inputs.read import Inputs
from transcribe.tables import removed
from transcribe.tables.removed import Removed
from transcribe.tables.tables import Tables

N_NAMED = 3


def leave_out_known_sources(plan: Plan, inputs: Inputs, tables: Tables, take_published: bool) -> None:
    """Move recordings out of ``plan.to_do`` whose source was removed or, unless ``take_published``, is
    published under an id that the input does not list."""
    new = [id_ for id_, one in plan.to_do.items() if one.decision.reason == "new"]
    covered, elsewhere = known_sources(new, inputs, tables, take_published)
    plan.leave_out_removed(covered)
    plan.elsewhere = elsewhere
    for id_ in elsewhere:
        del plan.to_do[id_]
    if covered:
        plan.notes.append(
            f"not taken: {len(covered)} recordings whose source was removed under another id;"
            " jobs.remove --take-again --ids URI allows it"  # a log would keep their names
        )
    if elsewhere:
        pairs = [f"{id_} as {other}" for id_, other in elsewhere.items()]
        plan.notes.append(
            f"not taken: {len(pairs)} recordings whose source is published under another id"
            f" ({_listed(pairs)}); job.take_published_sources: true takes them"
        )


def known_sources(
    new: Collection[str], inputs: Inputs, tables: Tables, take_published: bool
) -> tuple[list[str], dict[str, str]]:
    """Return which of these recordings, which have no row, are not taken: those whose source was removed, and
    those whose source is published, with the id that it is published under."""
    recordings = inputs.recordings
    gone = removed.of_output(tables.root, tables.s3) if new else Removed()
    listed = {one.uri for id_, one in recordings.items() if gone.has(id_)} if gone else set()
    sources = {id_: recordings[id_] for id_ in new if recordings[id_].uri not in listed}
    covered = [id_ for id_, one in sources.items() if gone.has_source(one.uri, one.source_version)]
    if take_published:
        return covered, {}
    asked = recordings.keys() | inputs.unplannable.keys()
    published = tables.published_as({recordings[id_].uri for id_ in set(new).difference(covered)})
    elsewhere = {}
    for id_ in sorted(set(new).difference(covered)):
        others = published.get(recordings[id_].uri, [])
        if others and asked.isdisjoint(others):
            elsewhere[id_] = others[0]
    return covered, elsewhere


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - N_NAMED} more" if len(names) > N_NAMED else ""
    return ", ".join(printable(name, 120) for name in names[:N_NAMED]) + more
