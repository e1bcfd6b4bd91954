"""An entry is changed where it stands: comments and all other lines stay."""

from __future__ import annotations

import difflib
import shutil
from pathlib import Path

import pytest
import yaml

from transcribe.errors import ConfigError
from transcribe.models.editing import Edits, dumped, set_traits
from transcribe.models.reading import model_files
from transcribe.models.registry import DEFAULT_PATH, Registry

TRAITS = {"heads": ((1, 2), (3, 4)), "lead_s": 0.05}


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return Path(shutil.copytree(DEFAULT_PATH, tmp_path / "models"))


def changed_lines(models: Path) -> list[str]:
    lines = []
    for file in sorted(models.glob("*.yaml")):
        before = (DEFAULT_PATH / file.name).read_text().splitlines()
        compared = difflib.ndiff(before, file.read_text().splitlines())
        lines += [f"{line[0]} {line[2:].strip()}" for line in compared if line[0] in "+-"]
    return lines


def test_only_the_traits_change(models):
    assert set_traits(models, "moonshine-base-en", TRAITS) == models / "moonshine.yaml"
    assert [line for line in changed_lines(models) if line[0] == "+"] == [
        "+ lead_s: 0.05",
        "+ heads: [[1, 2], [3, 4]]",
    ]
    assert len(changed_lines(models)) == 4
    traits = Registry.load(models).get("moonshine-base-en").traits
    assert (traits.heads, traits.lead_s, traits.frame_s) == (((1, 2), (3, 4)), 0.05, 0.024)


def test_an_entry_without_traits_gets_them(models):
    set_traits(models, "base-torch", {"lead_s": 0.03})
    assert changed_lines(models) == ["+ traits:", "+ lead_s: 0.03"]
    assert Registry.load(models).get("base-torch").traits.lead_s == 0.03


def test_new_text_is_read_as_text(models):
    """Whatever YAML 1.1 makes of it."""
    texts = ["no", "on", "1:20", "2026-11-02", "null", "", "1e3", "a: [b", "plain"]
    edits = Edits(model_files(models))
    for text in texts:
        event = {"date": "2026-11-02", "did": "promoted", "revision": "1", "reason": text}
        edits.append("base", "history", event)
    edits.save(lambda: Registry.load(models))
    assert [event.reason for event in Registry.load(models).get("base").history] == texts
    assert yaml.safe_load(dumped({"a": texts})) == {"a": texts}


def test_one_file_is_a_registry_too(models):
    file = models / "whisper.yaml"
    assert set_traits(file, "base", {"lead_s": 0.03}) == file


def test_an_entry_that_is_nowhere_is_named(models):
    with pytest.raises(ConfigError, match="'bass'"):
        set_traits(models, "bass", TRAITS)
