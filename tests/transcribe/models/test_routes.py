"""(language, region, service) → model and decode settings: the most specific route wins, ties are found."""

from __future__ import annotations

import pickle
from itertools import product
from pathlib import Path

import pytest
import yaml

from transcribe.config import Config, load
from transcribe.errors import ConfigError
from transcribe.languages import WHISPER
from transcribe.layers import CONF
from transcribe.models.explain import explain
from transcribe.models.registry import Registry
from transcribe.models.routes import Route, Routing
from transcribe.tables.current import Rule
from transcribe.types import Recording

ANY = {"engine": "fake", "revision": "1", "licence": "MIT", "stage": "production", "files": {}, "sources": []}
MANY = {**ANY, "multilingual": True, "languages": None}
DANISH = {**ANY, "multilingual": False, "languages": ["da"]}
CONDITIONS = ("language", "region", "service")


def routing(*routes: dict) -> Routing:
    return Routing([Route.model_validate(route) for route in (*routes, {"model": "base"})])


def test_the_most_conditions_win_whatever_the_order():
    asked = dict(zip(CONDITIONS, ("da", "north", "captions"), strict=True))
    routes = [
        {"model": "+".join(names), **{name: asked[name] for name in names}}
        for names in (CONDITIONS, ("language", "service"), ("language",))
    ]
    for order in (routes, routes[::-1]):
        choose = routing(*order).choose
        assert choose("da", "north", "captions").model == "language+region+service"
        assert choose("da", "south", "captions").model == "language+service"
        assert choose("da", "south", "search").model == "language"
        assert choose("da", None, None).model == "language"
        assert choose("sv", "north", "captions").model == "base"
        assert choose(None, None, None).model == "base"


def test_each_setting_is_decided_on_its_own():
    choose = routing(
        {"language": ["da", "no"], "model": "nordic"},
        {"service": "triage", "decode": {"beam_size": 1}},
        {"region": "north", "service": "triage", "decode": {"full_context": True}},
    ).choose
    assert (choose("no", "north", "triage").model, choose("no", "north", "triage").decode) == (
        "nordic",
        {"beam_size": 1, "full_context": True},
    )
    assert choose("no", "south", "triage").decode == {"beam_size": 1}
    assert choose("no", "north", None).decode == {}


def test_ties_are_found_where_they_are():
    tied = routing({"language": "da", "model": "a"}, {"service": "captions", "model": "b"})
    ((what, asked, routes),) = tied.ties()
    assert (what, asked, {route.model for route in routes}) == ("model", ("da", None, "captions"), {"a", "b"})
    solved = [
        {"language": "da", "model": "a"},
        {"service": "captions", "model": "b"},
        {"language": "da", "service": "captions", "model": "b"},
    ]
    assert list(routing(*solved).ties()) == []
    assert list(routing(solved[0], {"service": "captions", "decode": {"beam_size": 1}}).ties()) == []


def test_two_routes_for_the_same_are_an_error():
    with pytest.raises(ValueError, match="two routes for the same: language da/no → model a"):
        routing({"language": ["da", "no"], "model": "a"}, {"language": "no", "model": "b"})
    with pytest.raises(ValueError, match="two routes"):
        routing({"model": "a"})


@pytest.mark.parametrize(
    ("route", "message"),
    [
        ({"language": "da"}, "neither model nor decode"),
        ({"decode": {"beam": 2}}, "beam: a route sets"),
        ({"decode": {"compute_type": "int8"}}, "compute_type: a route sets beam_size and full_context"),
        ({"decode": {"beam_size": 0}}, "beam_size: Input should be greater"),
        ({"language": "xx", "model": "a"}, "none that Whisper has a code for"),
        ({"language": [], "model": "a"}, "at least 1 item"),
    ],
)
def test_a_route_that_makes_no_sense(route, message):
    with pytest.raises(ValueError, match=message):
        Route.model_validate(route)


def test_routes_travel():
    kept = routing({"language": "da", "model": "danish"})
    assert kept.choose("da", None, None).model == "danish"
    assert pickle.loads(pickle.dumps(kept)).choose("da", None, None).model == "danish"


# A fleet's files


class Fleet:
    """Three files to break."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.models = {
            "default": "base",
            "routes": [{"language": "da", "model": "danish"}],
            "models": {"base": {**MANY, "lacks": ["yue"]}, "danish": DANISH},
        }
        self.regions: dict = {
            "north": {"input": "/in/north", "output": "/out/north", "languages": ["da", "sv"]},
            "south": {"like": "north", "input": "/in/south", "languages": ["es"], "residency": "eu"},
        }
        self.services: dict = {
            "captions": {"routes": [{"decode": {"beam_size": 2}}]},
            "search": {},
        }

    def config(self) -> Config:
        for name in ("models", "regions", "services"):
            said = getattr(self, name)
            content = said if name == "models" else {name: said}
            (self.folder / f"{name}.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
        files = {name: str(self.folder / f"{name}.yaml") for name in ("models", "regions", "services")}
        return load([], files)

    def registry(self) -> Registry:
        return Registry.of(self.config())

    def error(self) -> str:
        with pytest.raises(ConfigError) as caught:
            self.registry()
        told = str(caught.value)
        assert "\n" not in told
        return told.replace(f"{self.folder}/", "")


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return Fleet(tmp_path)


def test_a_region_takes_over_what_another_has_but_its_places(fleet):
    south = fleet.registry().regions["south"]
    assert (south.input, south.output, south.languages, south.residency) == ("/in/south", None, ("es",), "eu")
    fleet.regions["south"].pop("languages")
    fleet.regions["north"]["routes"] = [{"language": "sv", "decode": {"beam_size": 4}}]
    fleet.services.pop("captions")
    registry = fleet.registry()
    assert registry.regions["south"].languages == ("da", "sv")
    assert registry.routing.choose("sv", "south", None).decode == {"beam_size": 4}


def test_a_regions_languages_and_prior_go_before_the_settings(fleet):
    fleet.regions["north"]["prior"] = {"da": 3}
    fleet.regions["south"]["prior"] = {}
    registry, config = fleet.registry(), load([], {"language.allowed": ["fr"], "language.n_chunks": 2})
    own = registry.config_for("north", config).language
    assert (own.allowed, own.prior, own.n_chunks) == (("da", "sv"), {"da": 3.0}, 2)
    assert registry.config_for("elsewhere", config) == config


BROKEN = {
    "no such model": (
        lambda f: f.models["routes"].append({"language": "sv", "model": "swedisch"}),
        "route to unknown model 'swedisch'; known: base, danish (models.yaml:5)",
    ),
    "no such region": (
        lambda f: f.models["routes"].append({"region": "nort", "model": "base"}),
        "unknown region 'nort'; did you mean north? (models.yaml:5)",
    ),
    "no such service": (
        lambda f: f.models["routes"].append({"service": "capitons", "model": "base"}),
        "unknown service 'capitons'; did you mean captions? (models.yaml:5)",
    ),
    "no such language": (
        lambda f: f.regions["north"]["languages"].append("xx"),
        "regions.north.languages.2 = 'xx': language 'xx' is none that Whisper has a code for; "
        "give a BCP 47 or ISO 639 code (en, pt-BR, zh-Hant) (in regions.yaml:8)",
    ),
    "no such key": (lambda f: f.regions["north"].update(inputs="/x"), "(in regions.yaml:8)"),
    "like no other": (
        lambda f: f.regions["south"].update(like="east"),
        "regions.south.like = 'east': unknown; known: north, south (regions.yaml:9)",
    ),
    "a cycle": (
        lambda f: f.regions["north"].update(like="south"),
        "regions.south.like = 'north': a cycle: north → south → north (regions.yaml:10)",
    ),
    "like itself": (lambda f: f.services["search"].update(like="search"), "a cycle: search → search"),
    "a tie": (
        lambda f: f.regions["north"].update(routes=[{"decode": {"beam_size": 1}}]),
        "for region north, service captions, region north → decode.beam_size 1 (regions.yaml:9) and "
        "service captions → decode.beam_size 2 (services.yaml:4) are equally specific in decode.beam_size",
    ),
    "said twice": (
        lambda f: f.models["routes"].append({"language": ["sv", "da"], "model": "base"}),
        "language da → model danish (models.yaml:3) and language sv/da → model base (models.yaml:5)",
    ),
    "a gap": (
        lambda f: f.regions["north"]["languages"].append("yue"),
        "region north has no model for yue (regions.yaml:2): all → model base (default)",
    ),
    "a model that the region may not use": (
        lambda f: f.regions["north"].update(models=["base"]),
        "region north may not use danish (regions.yaml:2), but language da → model danish (models.yaml:3)",
    ),
    "an unknown one among its models": (
        lambda f: f.regions["north"].update(models=["basse"]),
        "region north: unknown model 'basse'; did you mean base? (regions.yaml:2)",
    ),
    "a prior of a language that it has not": (
        lambda f: f.regions["north"].update(prior={"fr": 2}),
        "prior of fr, which is not in languages (regions.yaml:2)",
    ),
    "a delivery into another region": (
        lambda f: f.services["captions"].update(
            deliver={"destination": "/in/north/{region}/{date}", "srt": None}
        ),
        "delivers south to /in/north/south/2000-01-01, which belongs to region north (regions.yaml:2)",
    ),
    "a place of two regions": (
        lambda f: f.regions["south"].update(output="/in/north/tables"),
        "regions north (regions.yaml:2) and south (regions.yaml:8) share a place: /in/north",
    ),
    "a region of a region's route": (
        lambda f: f.regions["north"].update(routes=[{"region": "south", "model": "base"}]),
        "north.routes.0.region = 'south': leave it out (regions.yaml:9)",
    ),
    "routes that are none": (lambda f: f.regions["north"].update(routes="base"), "must be a list of routes"),
    "a format that is none": (
        lambda f: f.services["search"].update(deliver={"destination": "/o/{region}/{date}", "pdf": {}}),
        "(in services.yaml:9)",
    ),
    "a place of its own in the file": (lambda f: f.regions["north"].update(at="x"), "regions.north.at = 'x'"),
    "no profile": (
        lambda f: f.regions.update(north=3),
        "regions.north = 3: must be a mapping (regions.yaml:2)",
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_fleet_is_told_with_file_and_line(fleet, what):
    change, message = BROKEN[what]
    change(fleet)
    assert message in fleet.error()


def test_a_name_that_stands_twice_is_told(fleet):
    config = fleet.config()
    Path(config.services or "").write_text("services:\n  a:\n  b: {note: x}\n  a: {note: y}\n")
    with pytest.raises(ConfigError, match=r"services\.a.*stands there twice.*services\.yaml:4"):
        Registry.of(config)
    Path(config.services or "").write_text("regions: {}")
    with pytest.raises(ConfigError, match="must hold services"):
        Registry.of(config)
    Path(config.services or "").write_text("services: &a {x: *a}\n")
    with pytest.raises(ConfigError, match="inside its own anchor"):
        Registry.of(config)


def test_a_routes_decode_is_part_of_what_its_model_is(fleet):
    registry = fleet.registry()
    made = [
        registry.entry_for(Recording("a", "/a", "1", "north", "2026-01-31", service=service), "da", None)
        for service in ("search", "captions")
    ]
    assert made[0].version == "1" and made[1].version.startswith("1+")
    assert [one.applied_to(Config()).decode.beam_size for one in made] == [5, 2]


# The example


@pytest.fixture(scope="module")
def example() -> tuple[Registry, Config]:
    config = load([CONF / "fleet.yaml"])
    return Registry.of(config), config


def test_the_example_has_a_model_for_every_combination(example):
    registry, _ = example
    one_language = {entry.languages[0] for entry in registry.models.values() if not entry.multilingual}
    assert len(one_language) >= 35 and len(registry.regions) >= 10 and len(registry.services) >= 5
    regions, services = (*registry.regions, None, "elsewhere"), (*registry.services, None)
    spoken = sorted(WHISPER - {"yue"})
    for language, region, service in product(spoken, regions, services):
        chosen = registry.routing.choose(language, region, service)
        entry = registry.models[chosen.model]
        assert entry.speaks(language) and entry.stage == "production", (language, region, service)
        assert not set(chosen.decode) - {"beam_size", "full_context"}
    for name, region in registry.regions.items():
        assert region.languages and region.input and region.output and region.residency
        for language, service in product(region.languages, services):
            model = registry.routing.choose(language, name, service).model
            assert region.models is None or model in region.models
    assert {name for name, service in registry.services.items() if service.deliver} == {
        *("analytics", "captions", "search", "compliance")
    }


def test_the_example_routes_as_it_says(example):
    registry, _ = example

    def chosen(*asked: str) -> tuple[str, int]:
        choice = registry.routing.choose(*asked)
        return choice.model, choice.decode["beam_size"]

    assert chosen("da", "eu-north", "captions") == ("asr-da", 5)
    assert chosen("ja", "apac", "captions") == ("whisper-base", 5)
    assert chosen("ja", "apac", "triage") == ("asr-ja", 1)
    assert chosen("es", "us", "search") == ("asr-es", 3)


def test_every_language_of_a_region_is_the_models_to_hear(example):
    registry, config = example
    assert registry.config_for("latam", config).language.allowed == ("es", "pt", "en")
    assert registry.config_for("latam", config).language.prior == {"es": 5, "pt": 3}


def test_a_hint_that_its_region_does_not_hear_leads_to_none_of_anothers_models(example):
    registry, config = example
    rule, region = Rule(registry, config), registry.regions["us"]

    def hinted(language: str | None) -> Recording:
        return Recording("a", "/a", "1", "us", "2026-01-31", language=language)

    assert registry.usable_hint(hinted("en"), None) == "en"
    assert registry.usable_hint(hinted("da"), None) is None
    for language in ("en", "da", None):
        assert rule.possible_models(hinted(language)) <= set(region.models), language
    assert rule.identifier(hinted("da")) == "whisper-base"
    told = explain(registry, config, ("da", "us", None))
    assert "us does not hear da (" in told and "gets: whisper-base" in told
