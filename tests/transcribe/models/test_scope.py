"""A run for one region neither reads nor writes another's places: it is refused before it reads anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from transcribe.config import Config, load
from transcribe.errors import ConfigError, ManifestError
from transcribe.inputs.read import read
from transcribe.models.profiles import Region, Service
from transcribe.models.registry import ModelEntry, Registry
from transcribe.models.scope import Scope
from transcribe.storage.s3 import S3Options

ENTRY = {
    **{"engine": "fake", "revision": "1", "licence": "MIT", "stage": "production"},
    **{"multilingual": True, "languages": None, "files": {}, "sources": []},
}


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """north and south with their places, west with nothing of its own; a recording in each of the inputs."""
    for name in ("north", "south", "west"):
        (tmp_path / "in" / name).mkdir(parents=True)
        (tmp_path / "in" / name / "a.wav").write_bytes(b"x")
    own = {"output": str(tmp_path / "out" / "north"), "residency": "eu", "models": ("base",)}
    regions = {
        "north": Region(input=str(tmp_path / "in" / "north"), at="regions.yaml:2", **own),
        "south": Region(
            input=str(tmp_path / "in" / "south"), output="s3://south/tables", at="regions.yaml:5"
        ),
        "west": Region(at="regions.yaml:8"),
    }
    models = {name: ModelEntry.model_validate({"name": name, **ENTRY}) for name in ("base", "other")}
    return Registry(default="base", routes=[], models=models, regions=regions, services={"search": Service()})


def settings(region: str | None, **more: object) -> Config:
    given = {"job.region": region, "job.residency": "eu"}
    return load([], given | {key.replace("__", "."): value for key, value in more.items()})


def refused(registry: Registry, config: Config, output: str | None, source: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read(source, config, S3Options(), scope=Scope(registry, config, output))
    return str(caught.value)


def manifest(tmp_path: Path, *rows: str) -> str:
    path = tmp_path / "manifest.csv"
    path.write_text("\n".join(["uri,region,service", *rows]))
    return str(path)


def test_a_regions_own_places_are_open_to_it(registry, tmp_path):
    config, output = settings("north"), str(tmp_path / "out" / "north" / "tables")
    found = read(str(tmp_path / "in" / "north"), config, S3Options(), scope=Scope(registry, config, output))
    assert [Path(one.uri).parent.name for one in found.recordings.values()] == ["north"]
    anywhere, elsewhere = settings("west"), str(tmp_path / "out" / "west")
    found = read(
        str(tmp_path / "in" / "west"), anywhere, S3Options(), scope=Scope(registry, anywhere, elsewhere)
    )
    assert len(found.recordings) == 1


def test_anothers_places_are_closed(registry, tmp_path):
    north, south = str(tmp_path / "in" / "north"), str(tmp_path / "in" / "south")
    out = str(tmp_path / "out" / "north")
    assert "belongs to region south (regions.yaml:5); this is for north" in refused(
        registry, settings("north"), out, south
    )
    assert "belongs to region north" in refused(registry, settings("west"), None, f"{north}/*.wav")
    assert "belongs to region north" in refused(registry, settings(None), None, north)
    assert "--output = 's3://south/tables/x': belongs to region south" in refused(
        registry, settings("north"), "s3://south/tables/x", north
    )
    assert "--output" in refused(registry, settings("west"), out, str(tmp_path / "in" / "west"))
    assert "--output" in refused(registry, settings(None), out, manifest(tmp_path, f"{south}/a.wav,south"))


def test_what_lies_outside_of_its_own_is_refused_too(registry, tmp_path):
    west, out = str(tmp_path / "in" / "west"), str(tmp_path / "out" / "north")
    assert "the recordings of north lie in" in refused(registry, settings("north"), out, west)
    told = refused(registry, settings("north"), str(tmp_path / "out" / "x"), f"{tmp_path}/in/north")
    assert "the tables of north lie in" in told and "regions.yaml:2" in told


def test_a_link_leads_nowhere(registry, tmp_path):
    (tmp_path / "in" / "north" / "link.wav").symlink_to(tmp_path / "in" / "south" / "a.wav")
    source = manifest(tmp_path, "in/north/a.wav,north", "in/north/link.wav,north")
    assert "belongs to region south" in refused(registry, settings("north"), None, source)


def test_rows_are_looked_at_before_their_files(registry, tmp_path):
    """A row of another region, whose file is not even there, and one that says nothing."""
    out = str(tmp_path / "out" / "north")
    source = manifest(tmp_path, "in/north/a.wav,", "in/south/gone.wav,south")
    assert f"--output = {out!r}: belongs to region north" in refused(registry, settings("north"), out, source)
    source = manifest(tmp_path, "in/north/a.wav,", "in/south/gone.wav,")
    assert "gone.wav': belongs to region south" in refused(registry, settings("north"), out, source)


def test_a_manifest_may_lie_anywhere_but_with_another(registry, tmp_path):
    inside = tmp_path / "in" / "south" / "list.csv"
    inside.write_text(f"uri\n{tmp_path}/in/north/a.wav\n")
    assert "list.csv': belongs to region south" in refused(registry, settings("north"), None, str(inside))


def test_a_name_that_the_fleet_does_not_have_fails_its_row(registry, tmp_path):
    config = settings("west")
    source = manifest(
        tmp_path, "in/west/a.wav,west,search", "in/west/b.wav,wst,search", "in/west/c.wav,west,serach"
    )
    found = read(source, config, S3Options(), scope=Scope(registry, config))
    assert len(found.recordings) == 1
    failures = [one.failure for one in found.unplannable.values()]
    assert [(one.error, one.message) for one in failures] == [
        ("unknown_region", "unknown region 'wst'; did you mean west?"),
        ("unknown_service", "unknown service 'serach'; did you mean search?"),
    ]


def test_the_runs_own_region_must_be_one(registry, tmp_path):
    assert "unknown region 'nort'; did you mean north?" in refused(registry, settings("nort"), None, "x")


@pytest.mark.parametrize("where", [None, "us"])
def test_machines_elsewhere_may_not(registry, tmp_path, where):
    told = refused(registry, settings("north", job__residency=where), None, f"{tmp_path}/in/north")
    assert f"job.residency = {where!r}: region north may be worked on in eu only (regions.yaml:2)" in told
    source = manifest(tmp_path, f"{tmp_path}/in/north/a.wav,north")
    assert "job.residency" in refused(registry, settings(None, job__residency=where), None, source)


@pytest.mark.parametrize("key", ["model", "language__fallback_model"])
def test_a_model_by_name_must_be_one_of_the_regions(registry, tmp_path, key):
    told = refused(registry, settings("north", **{key: "other"}), None, f"{tmp_path}/in/north")
    assert "region north may use base only" in told
    Scope(registry, settings("north", **{key: "base"}))
    Scope(registry, settings("south", **{key: "other"}))


def test_without_regions_all_is_open(registry, tmp_path):
    plain = registry.model_copy(update={"regions": {}, "services": {}})
    config = settings("anything")
    scope = Scope(plain, config, str(tmp_path / "out"))
    found = read(manifest(tmp_path, "in/west/a.wav,any,thing"), config, S3Options(), scope=scope)
    assert len(found.recordings) == 1
    with pytest.raises(ManifestError):
        read(str(tmp_path / "none"), config, S3Options(), scope=scope)


def test_an_output_that_holds_anothers_places_is_refused(registry, tmp_path):
    for output in (str(tmp_path), str(tmp_path / "in")):
        with pytest.raises(ConfigError, match="holds a place of region"):
            Scope(registry, settings("west"), output)
    with pytest.raises(ConfigError, match="holds a place of region south"):
        Scope(registry, settings(None), "s3://south")
