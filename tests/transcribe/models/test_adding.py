"""Models come, are checked, promoted and rolled back by command; the registry's files hold what was done."""

from __future__ import annotations

import json
import shutil
import struct
import uuid
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
import yaml
from s3_fixtures import BUCKET

from transcribe.evaluate.results import EVALUATIONS, MEASUREMENTS, Results
from transcribe.languages import WHISPER
from transcribe.models import adding, checking
from transcribe.models.__main__ import main
from transcribe.models.cache import fetch
from transcribe.models.registry import DEFAULT_PATH, ModelEntry, Registry
from transcribe.storage.files import put_bytes
from transcribe.storage.s3 import S3Options

HEADS = [[0, 1], [2, 3]]
ENTRY = {
    **{"engine": "fake", "revision": "1", "licence": "MIT", "stage": "production"},
    **{"multilingual": True, "languages": None, "files": {}, "sources": []},
}
DANISH = {**ENTRY, "multilingual": False, "languages": ["da"]}


def tokens(n: int, lacks: tuple[str, ...] = ("yue",)) -> list[str]:
    named = [f"<|{code}|>" for code in sorted(WHISPER - set(lacks))]
    return [*named, *(f"t{i}" for i in range(n - len(named)))]


def text(value: str) -> bytes:
    return struct.pack("<H", len(value) + 1) + value.encode() + b"\0"


def outline(n_layers: int = 4, n_heads: int = 8) -> bytes:
    """The beginning of CTranslate2's Whisper: of its decoder only what says how large it is."""
    int8 = struct.pack("<BBIb", 0, 1, 1, n_heads)
    layers = [
        text(f"decoder/layer_{n}/gamma") + struct.pack("<BIBIf", 1, 1, 0, 4, 1.0) for n in range(n_layers)
    ]
    variables = [text("decoder/num_heads") + int8, *layers]
    return (
        struct.pack("<I", 6)
        + text("WhisperSpec")
        + struct.pack("<II", 3, len(variables))
        + b"".join(variables)
    )


SAFETENSORS = struct.pack("<Q", 128) + b"{}".ljust(128)
"""Without tensors; its first byte is that of a pickle."""


def a_checkpoint(folder: Path, n_tokens: int = 51_865, weights: bytes = outline()) -> Path:
    """Whisper as CTranslate2 writes it, but for its size."""
    folder.mkdir(parents=True)
    (folder / "model.bin").write_bytes(weights)
    (folder / "config.json").write_text(json.dumps({"alignment_heads": HEADS}))
    (folder / "tokenizer.json").write_text("{}")
    (folder / "vocabulary.txt").write_text("\n".join(tokens(n_tokens)) + "\n")
    (folder / "README.md").write_text("not needed")
    return folder


def a_hf_checkpoint(folder: Path, **generation: Any) -> Path:
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(SAFETENSORS)
    size = {"vocab_size": 51_866, "decoder_layers": 4, "decoder_attention_heads": 8}
    (folder / "config.json").write_text(json.dumps({"model_type": "whisper", **size}))
    (folder / "generation_config.json").write_text(json.dumps({"alignment_heads": HEADS, **generation}))
    added = [{"content": token, "id": n} for n, token in enumerate(tokens(200, ()))]
    (folder / "tokenizer.json").write_text(json.dumps({"added_tokens": added}))
    return folder


class Command:
    """``python -m transcribe.models`` on a registry of its own."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.models, self._capsys = folder / "models", capsys
        self.models.mkdir()
        self.write("routes", default="many", routes=[{"language": "da", "model": "danish"}])
        self.write(
            "all", models={"many": ENTRY, "danish": DANISH, "danish-2": {**DANISH, "stage": "candidate"}}
        )

    def write(self, file: str, **content: Any) -> None:
        (self.models / f"{file}.yaml").write_text(yaml.safe_dump(content, sort_keys=False))

    def __call__(self, *arguments: object, fails: bool = False) -> str:
        code = main(["--models", str(self.models), *map(str, arguments)])
        out, err = self._capsys.readouterr()
        assert code == (2 if fails else 0), err
        return err if fails else out

    @property
    def registry(self) -> Registry:
        return Registry.load(self.models)

    def entry(self, name: str) -> ModelEntry:
        return self.registry.find(name)


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    monkeypatch.setenv("TRANSCRIBE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(adding, "_try", lambda *_: None)  # these weights are none
    return Command(tmp_path, capsys)


# add


def test_an_added_model_says_what_its_files_say(models, tmp_path):
    out = models("add", "mine", a_checkpoint(tmp_path / "ct2"), "--licence", "our own", "--notes", "new")
    assert str(models.models / "mine.yaml") in out
    entry = models.entry("mine")
    assert (entry.engine, entry.multilingual, entry.languages, entry.lacks) == (
        "ctranslate2",
        True,
        None,
        ["yue"],
    )
    assert set(entry.files) == {"model.bin", "config.json", "tokenizer.json", "vocabulary.txt"}
    assert (entry.stage, entry.licence, entry.notes) == ("candidate", "our own", "new")
    assert [event.did for event in entry.history] == ["added"] and entry.traits.heads is None
    assert models("verify", "mine", fails=True).startswith("mine: not fetched")
    assert "1 models in" in models("warm", "mine")
    assert models("verify", "mine") == "mine: verified\n"


@pytest.mark.s3
def test_a_model_on_the_settings_s3(models, tmp_path, s3_server):
    """The entry does not say where that is: each run's own settings do."""
    top = f"s3://{BUCKET}/{uuid.uuid4()}/weights"
    for path in a_checkpoint(tmp_path / "ct2").iterdir():
        put_bytes(f"{top}/{path.name}", path.read_bytes(), s3_server)
    here = ["--set", f"storage.s3_endpoint_url={s3_server.endpoint_url}"]
    here += ["--set", f"storage.s3_region={s3_server.region}"]
    models("add", "mine", top, "--licence", "our own", *here)
    assert yaml.safe_load((models.models / "mine.yaml").read_text())["models"]["mine"]["sources"] == [
        {"s3": f"{top}/"}
    ]
    assert "1 of them fetched now" in models("warm", "mine", *here)
    assert models("verify", "mine") == "mine: verified\n"


def test_one_language_of_many_or_the_only_one(models, tmp_path):
    models("add", "da", a_checkpoint(tmp_path / "a"), "--licence", "MIT", "--language", "da-DK")
    models("add", "tiny", a_checkpoint(tmp_path / "b", 51_864), "--licence", "MIT")
    assert (models.entry("da").multilingual, models.entry("da").languages) == (False, ["da"])
    assert (models.entry("tiny").multilingual, models.entry("tiny").languages) == (False, ["en"])


def test_an_audio_language_model_is_told_its_languages(models, tmp_path, monkeypatch):
    """And, in the entry, what it is asked; of its files those of its processor are taken, too."""
    folder = tmp_path / "llm"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "qwen2_audio", "audio_config": {}}))
    for name in ("model.safetensors", "tokenizer.json", "processor_config.json", "chat_template.jinja"):
        (folder / name).write_bytes(SAFETENSORS if name.endswith(".safetensors") else b"{}")
    assert "name each" in models("add", "llm", folder, "--licence", "MIT", fails=True)
    models("add", "llm", folder, "--licence", "MIT", "--language", "en", "--language", "da")
    entry = models.entry("llm")
    assert (entry.engine, entry.multilingual, entry.languages) == ("audio_llm", True, ["en", "da"])
    assert len(entry.files) == 5
    monkeypatch.setattr(checking, "lacking_packages", lambda _: ["torch"])
    lacking = "its engine lacks torch: pip install"
    assert lacking in models("warm", "llm") and "fetched now" in models("warm", "llm")
    assert lacking in models("promote", "llm", "--reason", "x", "--without-gate", fails=True)
    monkeypatch.setattr(checking, "lacking_packages", lambda _: [])
    models("warm", "llm")
    assert models("verify", "llm") == "llm: verified\n"


def test_a_model_that_times_words_is_known_by_its_files(models, tmp_path):
    (tmp_path / "ctc").mkdir()
    (tmp_path / "ctc" / "config.json").write_text(json.dumps({"model_type": "wav2vec2"}))
    (tmp_path / "ctc" / "model.safetensors").write_bytes(SAFETENSORS)
    assert "name each" in models("add", "ctc", tmp_path / "ctc", "--licence", "MIT", fails=True)
    models("add", "ctc", tmp_path / "ctc", "--licence", "MIT", "--language", "da")
    assert (models.entry("ctc").engine, models.entry("ctc").languages) == ("whisperx_align", ["da"])


def test_heads_of_a_checkpoint_of_transformers(models, tmp_path):
    models("add", "hf", a_hf_checkpoint(tmp_path / "hf"), "--licence", "MIT", "--revision", "7")
    entry = models.entry("hf")
    assert (entry.engine, entry.revision, entry.lacks) == ("seq2seq", "7", [])
    assert entry.traits.heads == ((0, 1), (2, 3))
    models("add", "en", a_hf_checkpoint(tmp_path / "en", is_multilingual=False), "--licence", "MIT")
    assert not models.entry("en").multilingual


def test_what_cannot_be_added_leaves_nothing_behind(models, tmp_path):
    before = sorted(models.models.iterdir())
    pickled = a_checkpoint(tmp_path / "pickled", weights=b"PK\3\4 torch.save")
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "pytorch_model.bin").write_bytes(b"\x80")
    (tmp_path / "torch" / "config.json").write_text("{}")
    (tmp_path / "empty").mkdir()
    for source, words in (
        (pickled, "model.bin is a pickle, which can run code"),
        (tmp_path / "torch", "pytorch_model.bin: a pickle can run code"),
        (tmp_path / "empty", "no weights: neither model.bin nor *.safetensors"),
        (tmp_path / "none", "not_found"),
        ("hub:someone/model", "write hub:OWNER/NAME@COMMIT"),
    ):
        assert words in models("add", "new", source, "--licence", "MIT", fails=True)
    good = a_checkpoint(tmp_path / "good")
    assert "in the registry already" in models("add", "many", good, "--licence", "MIT", fails=True)
    assert "unknown engine" in models("add", "new", good, "--licence", "MIT", "--engine", "x", fails=True)
    assert sorted(models.models.iterdir()) == before


@pytest.mark.parametrize(
    "name",
    [
        *("model.pt", "pytorch_model.bin", "pytorch_model-00001-of-00002.bin", "weights.PT", "weights.th"),
        *("checkpoint.pth.tar", "adapter_model.bin", "Model.PKL", "modeling_own.py"),
    ],
)
def test_an_entry_with_a_pickle_is_refused(models, name):
    models.write("bad", models={"bad": {**ENTRY, "files": {name: "0" * 64}}})
    assert "a pickle can run code" in models("list", fails=True)


def test_a_model_of_another_sample_rate_is_refused(models):
    models.write("bad", models={"bad": {**ENTRY, "sample_rate": 8000}})
    assert "all audio is decoded at 16000" in models("list", fails=True)


# verify, warm, diff


def test_verify_finds_what_has_changed_on_disk_and_what_the_entry_says_wrongly(models, tmp_path):
    models("add", "mine", a_checkpoint(tmp_path / "a"), "--licence", "MIT")
    models("add", "tiny", a_checkpoint(tmp_path / "b", 51_864), "--licence", "MIT")
    models("warm", "mine", "tiny")
    path = models.models / "tiny.yaml"
    path.write_text(path.read_text().replace("multilingual: false", "multilingual: true"))
    told = models("verify", "mine", "tiny", fails=True)
    assert (
        "tiny: multilingual, says the entry; its files know one language" in told and "mine: verified" in told
    )
    (spoilt,) = (tmp_path / "cache").glob("mine-*/model.bin")
    spoilt.write_bytes(outline(5))
    assert "mine: model.bin has sha256" in models("verify", "mine", fails=True)


def test_warm_fetches_what_routes_lead_to_into_a_shared_folder(models, tmp_path):
    models("add", "mine", a_checkpoint(tmp_path / "a"), "--licence", "MIT", "--language", "da")
    models("promote", "mine", "--reason", "ours", "--without-gate", "--instead-of", "danish")
    shared = tmp_path / "shared"
    out = models("warm", "--set", "language.model=many", "--to", shared)
    assert f"2 models in {shared}, 2 of them fetched now" in out
    assert {path.name.rsplit("-", 1)[0] for path in shared.iterdir() if path.is_dir()} == {
        "mine",
        "silero-vad-v6",
    }
    assert "0 of them fetched now" in models("warm", "--set", "language.model=many", "--to", shared)


def test_diff_tells_what_differs(models, tmp_path):
    models("add", "one", a_checkpoint(tmp_path / "a"), "--licence", "MIT", "--revision", "1")
    models(
        "add", "two", a_checkpoint(tmp_path / "b", weights=outline(5)), "--licence", "MIT", "--revision", "2"
    )
    told = models("diff", "one", "two")
    assert "revision: 1 → 2" in told and "files.model.bin: " in told and "files.config.json" not in told
    assert "rows of the one are done again" in told
    assert "the same model" in models("diff", "one", "one")


# promote, roll-back


def evaluated(folder: Path, errors: dict[str, int]) -> Path:
    """A run in which each system got so many of 100 words wrong in each of 20 recordings."""
    now = datetime(2026, 11, 20, tzinfo=timezone.utc)
    blank = dict.fromkeys(EVALUATIONS.names)
    fixed = {"run_id": "r1", "created_at": now, "language": "da", "loose": False, "error": "", "n_words": 100}
    rows = [
        {**blank, **fixed, "system": system, "recording_id": str(n), "substitutions": wrong + n % 3}
        | {"deletions": 0, "insertions": 0, "n_invented": 0, "uri": "/a", "kind": "", "edits": []}
        for system, wrong in errors.items()
        for n in range(20)
    ]
    blank = dict.fromkeys(MEASUREMENTS.names)
    took = [
        {**blank, "run_id": "r1", "created_at": now, "system": system, "audio_s": 100.0, "core_s": 25.0}
        for system in errors
    ]
    Results(str(folder), S3Options()).add("r1", rows, took)
    return folder


def test_a_better_model_gets_the_routes_of_the_one_before_it(models, tmp_path):
    results = evaluated(tmp_path / "results", {"danish": 20, "danish-2": 5})
    asked = ("--reason", "fewer errors", "--instead-of", "danish", "--evaluations", results)
    out = models("promote", "danish-2", *asked)
    assert "gate: passed" in out and "danish-2: production; 1 routes lead to it, which led to danish" in out
    entry = models.entry("danish-2")
    assert entry.stage == "production" and models.registry.route("da", None, None) == "danish-2"
    (event,) = entry.history
    assert (event.did, event.reason, event.instead_of) == ("promoted", "fewer errors", "danish")
    assert event.gate == "passed beside danish of r1"
    (measured,) = entry.metrics
    assert (measured.date, measured.data, measured.cost) == ("2026-11-20", "evaluation r1", 0.25)
    assert 0.05 <= (measured.wer or 0) <= 0.07 and entry.cost == 0.25
    assert "WER" in models("list")
    back = models("roll-back", "danish-2", "--reason", "slow on calls")
    assert "danish-2: candidate; 1 routes back to danish" in back
    assert models.entry("danish-2").stage == "candidate"
    assert models.registry.route("da", None, None) == "danish"
    assert [str(event)[11:] for event in models.entry("danish-2").history] == [
        "promoted 1 instead of danish: fewer errors",
        "rolled back 1 instead of danish: slow on calls",
    ]
    assert "ends with no promotion" in models("roll-back", "danish-2", "--reason", "again", fails=True)


def test_a_worse_one_is_refused_and_nothing_changes(models, tmp_path):
    results = evaluated(tmp_path / "results", {"danish": 5, "danish-2": 20})
    before = {path: path.read_bytes() for path in models.models.iterdir()}
    asked = ("--reason", "newer", "--instead-of", "danish", "--evaluations", results)
    assert "the gate refuses it: over all: worse" in models("promote", "danish-2", *asked, fails=True)
    told = models("promote", "danish-2", *asked, "--system", "danish-3", fails=True)
    assert "no such system in that run; it has danish, danish-2" in told
    assert {path: path.read_bytes() for path in models.models.iterdir()} == before


def test_a_promotion_that_breaks_the_registry_changes_nothing(models):
    before = {path: path.read_bytes() for path in models.models.iterdir()}
    asked = ("--reason", "for all", "--without-gate")
    told = models("promote", "danish-2", "--instead-of", "many", *asked, fails=True)
    assert "'danish-2' speaks only ['da']" in told
    assert "only candidates are promoted" in models("promote", "danish", *asked, fails=True)
    assert "say why" in models("promote", "danish-2", "--reason", " ", "--without-gate", fails=True)
    assert {path: path.read_bytes() for path in models.models.iterdir()} == before


def test_regions_and_services_lead_to_it_too(models, tmp_path):
    regions = tmp_path / "regions.yaml"
    regions.write_text("regions: # all\n  north: {routes: [{language: da, model: danish}]}\n  south: {}\n")
    given = ("--set", f"regions={regions}")
    out = models("promote", "danish-2", "--reason", "x", "--without-gate", "--instead-of", "danish", *given)
    assert "2 routes" in out and "model: danish-2" in regions.read_text() and "# all" in regions.read_text()


def test_the_example_fleets_candidate_can_be_promoted(tmp_path, capsys):
    folder = Path(shutil.copytree("conf/fleet", tmp_path / "fleet"))
    files = [f"--set={name}={folder}/{name}.yaml" for name in ("models", "regions", "services")]
    asked = ["--reason", "x", "--without-gate", "--instead-of", "asr-da"]
    assert main(["promote", "asr-da-next", *files, "--set=language.model=whisper-base", *asked]) == 0
    before, after = Path("conf/fleet/models.yaml").read_text(), (folder / "models.yaml").read_text()
    changed = [line for line in after.splitlines() if line not in before.splitlines()]
    assert len(changed) == 2 and changed[0] == "  - {language: da, model: asr-da-next}"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("model.safetensors", b"\x80\x04K\x01."),
        ("model.safetensors", b"PK\3\4 torch.save"),
        ("model.safetensors", struct.pack("<Q", 1 << 40) + b"{}"),
        ("config.json", b'{"auto_map": {"AutoModel": "own.Model"}, "model_type": "whisper"}'),
    ],
)
def test_files_are_judged_by_their_content(models, tmp_path, name, content):
    folder = a_hf_checkpoint(tmp_path / "stranger")
    (folder / name).write_bytes(content)
    said = models("add", "stranger", folder, "--licence", "MIT", fails=True)
    assert "safetensors inside" in said or "auto_map" in said
    assert not (models.models / "stranger.yaml").exists()


def test_heads_that_the_decoder_lacks_are_refused(models, tmp_path):
    distilled = a_checkpoint(tmp_path / "distilled", weights=outline(n_layers=2))
    said = models("add", "distilled", distilled, "--licence", "MIT", fails=True)
    assert "alignment_heads name layer 2, head 3; the decoder has 2 layers of 8 heads" in said


@pytest.mark.parametrize("make", [a_checkpoint, a_hf_checkpoint])
def test_a_missing_tokenizer_is_named_with_how_to_make_it(models, tmp_path, make):
    folder = make(tmp_path / "model")
    (folder / "tokenizer.json").unlink()
    said = models("add", "model", folder, "--licence", "MIT", fails=True)
    assert "tokenizer.json is missing" in said and ("save_pretrained" in said or "--copy_files" in said)


@pytest.mark.parametrize("name", ["../escaped", "a/b", ".hidden", ""])
def test_a_name_that_no_file_can_have_is_refused_first(models, tmp_path, name):
    said = models("add", name, a_checkpoint(tmp_path / "model"), "--licence", "MIT", fails=True)
    assert "NAME" in said and not list(tmp_path.rglob("*escaped*"))


@pytest.mark.parametrize("source", ["s3://", "s3:///x", "gs://bucket/x"])
def test_places_that_are_none_end_in_one_line(models, source):
    assert models("add", "new", source, "--licence", "MIT", fails=True).count("\n") == 1


@pytest.mark.weights
def test_a_model_that_cannot_decode_is_not_added(models, tmp_path, monkeypatch):
    monkeypatch.undo()
    base = fetch(Registry.load(DEFAULT_PATH).get("base"))
    models("add", "copy", base, "--licence", "MIT")
    broken = tmp_path / "broken"
    shutil.copytree(base, broken)
    (broken / "tokenizer.json").write_text('{"added_tokens": []}')
    assert "cannot decode a second of noise" in models(
        "add", "broken", broken, "--licence", "MIT", fails=True
    )
    assert not (models.models / "broken.yaml").exists()
