"""``python -m transcribe.models verify`` and ``warm``: are a night's weights here, and are they right?"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from transcribe.config import Config
from transcribe.engines.names import ENGINES, lacking_packages
from transcribe.errors import ConfigError, ModelError
from transcribe.models import checkpoint
from transcribe.models.cache import check, default_cache_dir, fetch, is_cached
from transcribe.models.networks import NETWORKS
from transcribe.models.registry import ModelEntry, Registry, Weights

log = logging.getLogger(__name__)


def verify(entries: Iterable[Weights]) -> str:
    """A line a model, all bytes read. Raises ``ModelError`` with those that are not what they should be."""
    lines: list[str] = []
    wrong: list[str] = []
    for entry in entries:
        problem = (check(entry) or _contradiction(entry)) if entry.files else ""
        (wrong if problem else lines).append(f"{entry.name}: {problem or 'verified'}")
    if wrong:
        raise ModelError("\n".join(wrong + lines))
    return "\n".join(lines)


def _contradiction(entry: Weights) -> str:
    """Between the entry and the files' own word; empty if there is none."""
    if not isinstance(entry, ModelEntry):
        return ""
    found = checkpoint.inspect(fetch(entry))
    if entry.tells_languages and not found.multilingual:
        return "multilingual, says the entry; its files know one language"
    claimed = set(entry.languages or ())
    lacking = claimed & set(found.lacks) if entry.languages else set(found.lacks) - set(entry.lacks)
    if found.multilingual and lacking:
        return f"its files lack {', '.join(sorted(lacking))}, which the entry does not say"
    return ""


def of_a_night(registry: Registry, config: Config) -> list[Weights]:
    """Every model that a route leads to, those that time its words, identify languages and find speech."""
    names = {route.model for route in registry.all_routes if route.model}
    names |= {name for name in (config.model, config.language.model, config.language.fallback_model) if name}
    entries = [registry.get(name) for name in sorted(names)]
    return [*with_aligners(entries), *NETWORKS.values()]


def with_aligners(entries: Iterable[Weights]) -> list[Weights]:
    """All whose weights are needed to run these: themselves and, once each, those that time their words."""
    needed: dict[str, Weights] = {}
    for entry in entries:
        aligners = entry.aligners if isinstance(entry, ModelEntry) else ()
        needed |= {one.name: one for one in (entry, *aligners)}
    return list(needed.values())


def make_ready(entry: Weights) -> None:
    """Its engine's packages and its verified files are on this machine, or ``ModelError`` is raised."""
    if refusal := refuse_engine(entry):
        raise ModelError(refusal)
    if entry.files:
        fetch(entry)


def refuse_engine(entry: Weights) -> str:
    """Return why a model's engine cannot run on this machine; "" if it can."""
    kind = ENGINES.get(entry.engine) if isinstance(entry, ModelEntry) else None
    missing = lacking_packages(kind) if kind else []
    if not kind or not missing:
        return ""
    remedy = f"pip install 'spark-transcribe[{kind.extra}]'"
    return f"{entry.name}: its engine lacks {', '.join(missing)}: {remedy}"


def chosen(registry: Registry, names: Sequence[str]) -> list[Weights]:
    return [NETWORKS[name] if name in NETWORKS else registry.find(name, "NAME") for name in names]


def warm(entries: Sequence[Weights], folder: Path | None = None) -> str:
    """Fetch what is not there yet, into the cache or a shared ``folder``, which executors then name in
    ``TRANSCRIBE_CACHE``; progress goes to the log.

    A model whose engine lacks packages here is named, and fetched all the same: executors may have them.
    Raises ``ModelError`` once all have been tried.
    """
    place = folder or default_cache_dir()
    started, problems, n_fetched = time.monotonic(), [], 0
    wanted = [entry for entry in entries if entry.files]
    for n, entry in enumerate(wanted, start=1):
        if entry.stage == "retired":
            raise ConfigError("NAME", entry.name, "is retired; change its stage in the registry to use it")
        if is_cached(entry, place):
            continue
        log.info("%d of %d: %s", n, len(wanted), entry.name)
        try:
            fetch(entry, place)
            n_fetched += 1
        except ModelError as error:
            problems.append(str(error))
    if problems:
        raise ModelError("\n".join(problems))
    took_s = time.monotonic() - started
    unfit = [f"cannot run on this machine: {refusal}" for one in entries if (refusal := refuse_engine(one))]
    done = f"{len(wanted)} models in {place}, {n_fetched} of them fetched now, in {took_s:.0f} s"
    return "\n".join([done, *unfit])
