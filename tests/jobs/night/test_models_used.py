"""How often a run's workers loaded each model."""

from __future__ import annotations

import pytest

from jobs.night.models_used import Use, by_model, in_words

USES = [
    Use("base", "a 1", True, 2.0, 400, 100.0, 5.0),
    Use("tiny", "a 1", True, 1.0, 500, 50.0, 1.0),
    Use("base", "a 2", True, 2.0, 300),
    Use("base", "a 1", False, 0.0, 420, 100.0, 3.0),
    Use("base", "a 1", True, 3.0, 410),
]


def test_each_models_loads_are_summed_by_its_workers() -> None:
    base, tiny = by_model(USES)
    assert (base.model, base.n_workers, base.n_loads, base.n_loads_again) == ("base", 2, 3, 1)
    assert (base.load_s, base.audio_s, base.cost) == (7.0, 200.0, pytest.approx(0.04))
    assert (base.most_resident_bytes, tiny.most_resident_bytes) == (420, 500)
    assert (tiny.n_workers, tiny.n_loads, tiny.n_loads_again, tiny.cost) == (1, 1, 0, pytest.approx(0.02))
    assert by_model([Use("big", "a 1", True, 1.0, 1)])[0].cost is None


def test_the_most_loaded_are_named_and_what_memory_has_cost() -> None:
    told = in_words(by_model(USES), 1)
    assert told == (
        "2, loaded 4 times in 8.0 s, 1 of them again (engines.max_memory_gb): "
        "base 3 × on 2 workers, … and 1 more"
    )
    assert "again" not in in_words(by_model(USES[:2]), 20)
