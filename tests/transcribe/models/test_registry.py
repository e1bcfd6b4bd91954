"""Model registry: what its files may say, which model a recording gets, what a stage means."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import yaml

from transcribe.config import Config, load
from transcribe.engines.names import ENGINES
from transcribe.errors import ConfigError
from transcribe.models.checking import with_aligners
from transcribe.models.registry import DEFAULT_PATH, ModelEntry, Registry

ENTRY = {
    **{"engine": "fake", "revision": "1", "licence": "MIT", "stage": "production"},
    **{"multilingual": True, "languages": None, "files": {}, "sources": []},
}
TO_TINY = {"region": "us", "model": "tiny.en"}
ENGLISH = {**ENTRY, "multilingual": False, "languages": ["en"]}


ALIGNER = {**ENGLISH, "engine": "whisperx_align"}


def llm(*aligners: str, **traits: str) -> dict:
    return {**ENTRY, "engine": "audio_llm", "align_with": [*aligners], "traits": traits}


def shipped() -> dict:
    """All shipped files as one."""
    raw: dict = {}
    models: dict = {}
    for path in DEFAULT_PATH.glob("*.yaml"):
        raw.update(yaml.safe_load(path.read_text()))
        models.update(raw.pop("models", {}))
    return {**raw, "models": models}


def changed_registry(tmp_path: Path, change) -> Path:
    raw = shipped()
    change(raw)
    return written(tmp_path / "models.yaml", **raw)


def as_production(raw: dict, name: str) -> dict:
    raw["models"][name]["stage"] = "production"
    return raw


def written(path: Path, **content: object) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump(content))
    return path


def registry_of(tmp_path: Path, models: dict, *routes: dict, default: str = "base") -> Registry:
    path = written(tmp_path / "models.yaml", default=default, routes=list(routes), models=models)
    return Registry.load(path)


def error_of(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        Registry.load(path)
    assert len(str(caught.value)) < 500 and "\n" not in str(caught.value)
    return str(caught.value)


def test_the_shipped_registry_is_complete():
    registry = Registry.load(DEFAULT_PATH)
    whisper = {"base", "base-torch", "tiny.en", "large-v3", "large-v3-turbo"}
    assert set(registry.models) == whisper | {"moonshine-base-en", "moonshine-tiny-en"}
    assert registry.route(None, "eu", None) == "base"
    for entry in registry.models.values():
        weights = {"model.bin", "config.json"} if entry.name in whisper else {"encoder_model.ort"}
        assert {*weights, "tokenizer.json"} < set(entry.files)
        assert entry.sources and entry.licence == "MIT"
    assert Registry.of(Config()) == registry


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda raw: raw["models"]["base"].update(sise=3), "models.base.sise"),
        (
            lambda raw: raw["models"]["base"]["files"].update({"model.bin": "abc"}),
            "models.base.files.model.bin",
        ),
        (lambda raw: raw["models"]["base"]["files"].update({"../model": "0" * 64}), "models.base.files"),
        (lambda raw: raw["models"]["base"]["files"].update({"extra.json": "0" * 64}), "members of wheels"),
        (lambda raw: raw["models"]["base"].update(sources=[{"hub": "a/b"}]), "sources.0.hub.revision"),
        (
            lambda raw: raw["models"]["base"].update(sources=[{"url": "a/b"}]),
            "wheels, package, s3 or folder",
        ),
        (lambda raw: raw["models"]["base"].update(name="other"), "leave `name` out"),
        (lambda raw: raw.update(default="huge"), "unknown model 'huge'"),
        (lambda raw: as_production(raw, "tiny.en").update(default="tiny.en"), "speaks only ['en']"),
        (
            lambda raw: as_production(raw, "tiny.en").update(routes=[TO_TINY]),
            "speaks only",
        ),
        (lambda raw: raw["models"]["base"].update(stage="retired"), "route to retired model 'base'"),
        (lambda raw: raw.update(default="large-v3"), "route to candidate model 'large-v3'"),
        (
            lambda raw: raw.update(routes=[TO_TINY]),
            "candidate model 'tiny.en'",
        ),
        (lambda raw: raw["models"]["base"].update(stage="archived"), "models.base.stage"),
        (
            lambda raw: raw["models"]["base"].update(engine="whisper"),
            "unknown engine; known: auto, audio_llm, ctranslate2",
        ),
        (lambda raw: raw["models"]["base"].update(multilingual=False), "has one language"),
        (lambda raw: raw["models"]["base"].update(decode={"beam": 2}), "beam: Extra inputs"),
        (
            lambda raw: raw["models"]["base"].update(decode={"beam_size": 0}),
            "beam_size: Input should be greater",
        ),
        (lambda raw: raw["models"]["base"].update(decode={"device": "cpu"}), "device: the machine's"),
        (
            lambda raw: raw["models"]["base"].update(traits={"heads": [[0, 1]]}),
            "the engine ctranslate2 reads no heads",
        ),
        (lambda raw: raw["models"]["base-torch"].update(traits={"heads": []}), "traits.heads"),
        (lambda raw: raw["models"]["base-torch"].update(traits={"frame_ms": 20}), "traits.frame_ms"),
        (lambda raw: raw["models"]["base"].update(traits={"prompt": "Write"}), "ctranslate2 reads no prompt"),
        (
            lambda raw: raw["models"]["base"].update(align_with=["base-torch"]),
            "ctranslate2 times words itself",
        ),
        (lambda raw: raw["models"].update(llm=llm("bass-torch")), "did you mean base-torch?"),
        (lambda raw: raw["models"].update(llm=llm("base")), "ctranslate2 cannot; name one of seq2seq"),
        (
            lambda raw: raw["models"].update(llm=llm("old"), old={**ALIGNER, "stage": "retired"}),
            "align_with old, which is retired",
        ),
        (lambda raw: raw["models"].update(llm=llm(prompt="In {lang}")), "{lang} is not filled in"),
        (lambda raw: raw["models"].update(llm=llm(answer="(.*)")), "needs a group (?P<text>"),
        (lambda raw: raw["models"].update(llm=llm(answer="(?P<text>.*")), "not a regular expression"),
        (
            lambda raw: raw.update(
                models={**raw["models"], "ctc": ALIGNER}, routes=[{"language": "en", "model": "ctc"}]
            ),
            "'ctc', which only times words",
        ),
        (lambda raw: raw["models"].update({"../base": raw["models"]["base"]}), "../base"),
        (lambda raw: raw["models"].update(base=None), "a mapping of names to entries"),
        (lambda raw: raw.update(routes=[{"langage": "en", "model": "base"}]), "routes.0.langage"),
        (lambda raw: raw.pop("models"), "unknown model 'base'"),
        (lambda raw: raw.pop("default"), "default"),
    ],
)
def test_a_wrong_registry_names_the_place(tmp_path, change, message):
    assert message in error_of(changed_registry(tmp_path, change))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a list", "not a model registry"),
        ("models: [", "not valid YAML"),
        ("models: [base]", "mapping of names"),
    ],
)
def test_what_is_no_registry_is_named(tmp_path, text, message):
    (tmp_path / "models.yaml").write_text(text)
    told = error_of(tmp_path / "models.yaml")
    assert message in told and "models.yaml" in told


def test_a_missing_registry_is_a_config_error(tmp_path):
    assert "cannot be read" in error_of(tmp_path / "none.yaml")
    assert "holds no *.yaml" in error_of(tmp_path)


def test_a_folder_is_read_as_one_file(tmp_path):
    folder = tmp_path / "models"
    written(folder / "a.yaml", models={"base": ENTRY})
    written(folder / "b.yaml", models={"english": ENGLISH})
    written(folder / "routes.yaml", default="base", routes=[{"language": "en", "model": "english"}])
    written(folder / "more.yaml", routes=[{"language": "fr", "model": "base"}])
    (folder / "notes.txt").write_text("not read")
    routes = {"language": "en", "model": "english"}
    found, one = Registry.load(folder), registry_of(tmp_path, {"base": ENTRY, "english": ENGLISH}, routes)
    assert found.models == one.models and found.route("en", None, None) == "english"


@pytest.mark.parametrize("twice", [{"models": {"base": ENTRY}}, {"default": "base"}])
def test_nothing_is_said_in_two_files(tmp_path, twice):
    written(tmp_path / "registry" / "a.yaml", models={"base": ENTRY}, default="base", routes=[])
    written(tmp_path / "registry" / "b.yaml", **twice)
    assert "in another file of the registry" in error_of(tmp_path / "registry")


def test_entries_may_be_aliases_of_one_another(tmp_path):
    (tmp_path / "models.yaml").write_text(
        "default: a\nroutes: []\nmodels:\n  a: &a {engine: fake, revision: '1', licence: MIT,"
        " stage: production, multilingual: true, languages: null, files: {}, sources: []}\n  b: *a\n"
    )
    registry = Registry.load(tmp_path / "models.yaml")
    assert [registry.get(name).name for name in "ab"] == ["a", "b"]


def test_an_unknown_model_names_the_known_ones():
    with pytest.raises(ConfigError) as caught:
        Registry.load(DEFAULT_PATH).get("bass")
    assert caught.value.key == "model" and caught.value.value == "bass"
    assert "large-v3, large-v3-turbo, moonshine-base-en" in str(caught.value)


def test_the_most_specific_route_wins(tmp_path):
    routes = [
        {"region": "us", "model": "small"},
        {"language": "en", "service": "ivr", "model": "english"},
        {"language": "en-GB", "model": "large"},
        {"language": "en", "region": "us", "model": "small"},
        {"language": "en", "region": "us", "service": "ivr", "model": "english"},
    ]
    models = {"base": ENTRY, "small": ENTRY, "large": ENTRY, "english": ENGLISH}
    registry = registry_of(tmp_path, models, *routes)
    assert registry.route("en", "us", "ivr") == "english"
    assert registry.route("en", "us", "sales") == "small"
    assert registry.route("en", "eu", None) == "large"
    assert registry.route(None, "eu", "ivr") == "base"


# what a configuration may want


def of(tmp_path: Path, models: dict, **settings: str) -> Registry:
    registry_of(tmp_path, {"base": ENTRY, **models})
    given = {key.replace("__", "."): value for key, value in settings.items()}
    return Registry.of(load([], {"models": str(tmp_path / "models.yaml"), **given}))


def test_a_candidate_runs_when_named(tmp_path):
    registry = of(tmp_path, {"new": {**ENTRY, "stage": "candidate"}}, model="new", language__model="new")
    assert registry.get("new").stage == "candidate"


@pytest.mark.parametrize(
    ("entry", "settings", "message"),
    [
        ({**ENTRY, "stage": "retired"}, {"model": "other"}, "model = 'other': is retired"),
        ({**ENTRY, "stage": "retired"}, {"language__model": "other"}, "language.model = 'other': is retired"),
        (ENGLISH, {"language__model": "other"}, "language.model = 'other': knows one language only"),
        (ENTRY, {"model": "none"}, "model = 'none': not in the registry"),
        (ENTRY, {"language__model": "none"}, "language.model = 'none': not in the registry"),
        (ALIGNER, {"model": "other"}, "model = 'other': only times words"),
    ],
)
def test_what_a_model_cannot_do_is_told_before_anything_is_done(tmp_path, entry, settings, message):
    with pytest.raises(ConfigError) as caught:
        of(tmp_path, {"other": entry}, **settings)
    assert str(caught.value).startswith(message)


def test_an_engine_that_cannot_identify_languages_is_told(tmp_path, monkeypatch):
    kind = ENGINES["fake"]._replace(identifies_languages=False)
    monkeypatch.setitem(ENGINES, "fake", kind)
    with pytest.raises(ConfigError, match="the engine fake cannot identify languages"):
        of(tmp_path, {})


def test_a_models_own_settings_win_and_are_part_of_what_it_is():
    config = load([], ["decode.beam_size=4", "decode.threads=3"])
    plain, tuned = (
        ModelEntry.model_validate({"name": "m", **ENTRY, "decode": decode})
        for decode in ({}, {"beam_size": 2, "full_context": "true"})
    )
    assert plain.applied_to(config) == config
    own = tuned.applied_to(config).decode
    assert (own.beam_size, own.full_context, own.threads) == (2, True, 3)
    assert (plain.version, plain.identity) == ("1", "m@1/fake")
    assert tuned.version.startswith("1+") and tuned.version in tuned.identity


def test_what_times_a_models_words_is_part_of_what_it_is(tmp_path):
    """And its weights are needed with the model's: before a night, and in memory."""
    versions = []
    for lead_s in (None, 0.02):
        timing = {**ENTRY, "engine": "seq2seq", "traits": {"lead_s": lead_s}}
        models = {"base": ENTRY, "llm": llm("timing"), "other": llm("timing", "ctc")}
        registry = registry_of(tmp_path, {**models, "timing": timing, "ctc": ALIGNER})
        versions += [registry.get(name).version for name in ("llm", "other")]
        named = map(registry.get, ("llm", "base", "other"))
        assert [one.name for one in with_aligners(named)] == ["llm", "timing", "base", "other", "ctc"]
    assert len(set(versions)) == 4
    kept = pickle.loads(pickle.dumps(Registry.of(load([], {"models": str(tmp_path / "models.yaml")}))))
    assert [one.name for one in kept.get("other").aligners] == ["timing", "ctc"]


def test_a_models_traits_are_part_of_what_it_is():
    """Word times change with them, so rows must."""
    entry = {"name": "m", **ENTRY, "engine": "ctranslate2"}
    traits = ({}, {"lead_s": 0.02}, {"lead_s": 0.03}, {"max_tokens_per_s": 9})
    versions = [ModelEntry.model_validate({**entry, "traits": given}).version for given in traits]
    assert versions[0] == "1" and len(set(versions)) == 4
