"""The READMEs are true: what is derived from the code is current, what they name exists, commands parse."""

from __future__ import annotations

import ast
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml
from pydantic import BaseModel
from tables_fixtures import duckdb_connection, publish, transcript

from jobs import nightly
from transcribe.config import Config, load
from transcribe.inputs.columns import COLUMNS
from transcribe.storage.s3 import S3Options
from transcribe.tables.schemas import TRANSCRIPTS, WORD_TRACKS
from transcribe.tables.tables import Tables
from transcribe.verdicts import Doubt, Status

ROOT = Path(__file__).resolve().parents[2]


import docs  # noqa: E402

FRONT_PAGE_BYTES = 10_000
DOCUMENTS = (
    "README.md",
    *(path.relative_to(ROOT).as_posix() for path in sorted(ROOT.glob("[a-z]*/**/README.md"))),
)
TEXTS = {name: (ROOT / name).read_text(encoding="utf-8") for name in DOCUMENTS}
ALL = "\n".join(TEXTS.values())


def rows(name: str) -> list[list[str]]:
    """The cells of a derived table, as its document has them."""
    block = ALL.partition(f"<!-- {name} -->")[2].partition(f"<!-- /{name} -->")[0]
    lines = [re.split(r"(?<!\\)\|", line)[1:-1] for line in block.strip().splitlines()[2:]]
    return [[cell.strip().strip("`") for cell in line] for line in lines]


def section(document: str, heading: str) -> str:
    return TEXTS[document].partition(f"## {heading}\n")[2].partition("\n## ")[0]


def code_blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", ALL, re.DOTALL | re.MULTILINE)


def leaves(values: object, prefix: str = "") -> dict[str, object]:
    """Dotted keys and values of a dumped configuration; mappings that people fill in are values."""
    if not isinstance(values, dict) or prefix in ("audio.headerless.", "language.prior.", "spark.conf."):
        return {prefix[:-1]: values}
    return {key: value for name in values for key, value in leaves(values[name], f"{prefix}{name}.").items()}


@pytest.mark.parametrize("document", docs.DOCUMENTS)
def test_derived_parts_are_current(document):
    assert docs.rewritten(document, TEXTS[document]) == TEXTS[document], "run scripts/docs.py"


def test_the_front_page_stays_one():
    assert len(TEXTS["README.md"].encode()) <= FRONT_PAGE_BYTES


def test_every_folder_has_a_place_on_the_front_page():
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")}
    table = section("README.md", "Where things are")
    tracked = {"transcribe", "udfs", "jobs", "conf", "scripts", "tests"}
    assert tracked <= folders
    assert not [name for name in tracked if f"[{name}](" not in table and f"`{name}`" not in table]


def test_the_configuration_lists_every_setting_with_its_default():
    listed = {key: default for key, default, _ in rows("settings")}
    assert len(listed) == len(rows("settings"))
    real = leaves(Config().model_dump(mode="json"))
    assert {key for key in listed if ".*." not in key} == set(real)
    assert {key for key in listed if ".*." in key} == {
        f"audio.headerless.*.{name}" for name in ("format", "sample_rate", "n_channels")
    }
    for key, value in real.items():
        if not isinstance(value, dict):
            assert yaml.safe_load(listed[key]) == value, key
    assert not [key for key, _, meaning in rows("settings") if not meaning]


def test_defaults_as_they_are_written_are_the_defaults():
    assert (
        load(overrides=[f"{key}={default}" for key, default, _ in rows("settings") if ".*." not in key])
        == Config()
    )


@pytest.mark.parametrize("name", docs.TABLES)
def test_every_column_has_a_type_and_a_meaning(name):
    top_level = [column for column, *_ in rows(name) if "." not in column]
    assert top_level == docs.TABLES[name].names
    assert not [column for column, type_, meaning in rows(name) if not (type_ and meaning)]


def test_nested_columns_are_listed_by_their_path():
    listed = {column: type_ for column, type_, _ in rows("transcripts")}
    assert listed["utterances"] == "array<struct>" and listed["utterances[].words[].start_s"] == "double"
    assert listed["coverage.dropped[].reason"] == "string" and listed["created_at"] == "timestamp"


def test_meanings_reach_the_published_tables(tmp_path):
    fields = Tables(str(tmp_path), S3Options()).transcripts.open().schema().fields
    comments = {field.name: field.metadata.get("comment") for field in fields}
    assert comments == {field.name: field.metadata[b"comment"].decode() for field in TRANSCRIPTS}
    (utterances,) = (field for field in fields if field.name == "utterances")
    assert "rejected" in str(utterances)


def test_every_verdict_is_explained():
    assert {status for status, _ in rows("statuses")} == {str(status) for status in Status}
    assert {doubt for doubt, _ in rows("doubts")} == {str(doubt) for doubt in Doubt}


def test_manifest_columns_are_the_documented_ones():
    listed = re.findall(r"^\| `(\w+)` \|", section("jobs/README.md", "Inputs"), re.MULTILINE)
    assert set(listed) == set(COLUMNS)


def test_every_documented_option_exists_and_every_option_is_documented():
    documented = {
        option
        for line in re.findall(r"^\| (`--.*?) \|", section("jobs/README.md", "Every night"), re.M)
        for option in re.findall("--[a-z-]+", line)
    }
    options = {option for action in nightly.parser()._actions for option in action.option_strings}
    assert documented == options - {"-h", "--help"}


COMMAND = re.compile(
    r"(?:-m ((?:jobs|transcribe)[\w.]*)|\b(jobs/\w+)\.py)"  # the module or file that is started
    r"((?: +[^\s|&;>`]+)*)"
)


def commands() -> Iterator[tuple[str, set[str]]]:
    """(module, its options) of every command line of ours in the documents and in ``scripts/deploy``."""
    examples = [path.read_text(encoding="utf-8") for path in (ROOT / "scripts" / "deploy").iterdir()]
    for text in [*code_blocks("bash"), *examples]:
        for module, file, rest in COMMAND.findall(text.replace("\\\n", " ")):
            yield module or file.replace("/", "."), set(re.findall(r"(?<!\S)--[a-z][\w-]*", rest))


SHARED_OPTIONS = ("jobs/cli.py", "jobs/selection.py", "transcribe/evaluate/__main__.py")


def known_options(module: str) -> set[str]:
    """The options that its source names, and those that it may share with others."""
    path, shared = ROOT / module.replace(".", "/"), SHARED_OPTIONS
    sources = [path.with_suffix(".py"), path / "__main__.py", *(ROOT / name for name in shared)]
    texts = [one.read_text(encoding="utf-8") for one in sources if one.exists()]
    return {option for text in texts for option in re.findall(r'"(--[a-z][\w-]*)"', text)}


def test_every_command_that_is_shown_has_these_options():
    shown = list(commands())
    assert len(shown) > 15
    assert not [(module, extra) for module, found in shown if (extra := found - known_options(module))]


def test_every_file_that_is_named_exists():
    named = set(re.findall(r"(?<![\w/.-])((?:transcribe|udfs|jobs|conf|scripts|tests)/[\w./-]*\w)", ALL))
    assert len(named) > 30
    assert not [path for path in named if not (ROOT / path).exists() and path != "tests/test_X.py"]


def test_every_setting_that_is_named_exists():
    sections = "|".join(
        name
        for name, field in Config.model_fields.items()
        if isinstance(field.default, BaseModel) and name != "spark"
    )
    named = set(re.findall(rf"`(?:--set )?((?:{sections})\.\w+)(?:=[^`]*)?[:`]", ALL))
    named -= {column for column, *_ in rows("transcripts")}
    assert named
    assert named - {path for path in named if path.endswith(".py")} <= {key for key, *_ in rows("settings")}


def test_every_error_that_code_raises_is_explained():
    kinds = {"DecodeError", "DecoderError", "StorageError", "InferenceError", "LanguageError", "PlanError"}
    kinds |= {"storage_error"}
    sources = [path for folder in ("transcribe", "udfs", "jobs") for path in (ROOT / folder).rglob("*.py")]
    calls = [
        node
        for path in sources
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in kinds
        and node.args
    ]
    raised = {call.args[0].value for call in calls if isinstance(call.args[0], ast.Constant)}
    cells = re.findall(r"^\| (`.*?`) \|", section("jobs/README.md", "When a recording fails"), re.MULTILINE)
    assert len(raised) > 15
    assert raised <= set(re.findall(r"`(\w+)`", "".join(cells)))


def anchors(document: Path) -> set[str]:
    """Of a document's headings, code blocks apart."""
    text = re.sub(r"^```.*?^```$", "", document.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.+)$", text, re.M)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", TEXTS)
def test_links_lead_somewhere(document):
    for path, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", TEXTS[document]):
        target = (ROOT / document).parent / path if path else ROOT / document
        assert target.is_file() and (not anchor or anchor in anchors(target)), f"{path}#{anchor}"


def test_code_in_the_documents_is_well_formed():
    for block in code_blocks("python"):
        ast.parse(block)
    for block in code_blocks("yaml"):
        assert isinstance(yaml.safe_load(block), dict)
    for block in code_blocks("bash"):
        assert shlex.split(block, comments=True)


def test_a_part_without_a_place_is_an_error():
    with pytest.raises(ValueError, match=r"conf/README.md needs one <!-- settings -->"):
        docs.rewritten("conf/README.md", TEXTS["conf/README.md"].replace("<!-- settings -->", ""))


def test_check_says_what_to_run_and_changes_nothing(tmp_path, monkeypatch, capsys):
    document = "conf/README.md"
    stale = TEXTS[document].replace("| `vad.threshold` |", "| `vad.treshold` |")
    path = tmp_path / document
    path.parent.mkdir()
    path.write_text(stale, encoding="utf-8")
    monkeypatch.setattr(docs, "DOCUMENTS", {document: docs.DOCUMENTS[document]})
    monkeypatch.setattr(docs, "ROOT", tmp_path)
    monkeypatch.setattr(sys, "argv", ["docs.py", "--check"])
    assert docs.main() == 1 and "run scripts/docs.py" in capsys.readouterr().err
    assert path.read_text(encoding="utf-8") == stale
    monkeypatch.setattr(sys, "argv", ["docs.py"])
    assert docs.main() == 0
    assert path.read_text(encoding="utf-8") == TEXTS[document]


def test_columns_without_a_comment_are_listed_without_a_meaning():
    assert list(docs.columns(pa.schema([("a", pa.list_(pa.struct([("b", pa.int32())])))]))) == [
        ("a", "array<struct>", ""),
        ("a[].b", "int", ""),
    ]


@pytest.fixture
def published(tmp_path, monkeypatch):
    """The folder that the README calls ``out``, with one transcript."""
    monkeypatch.chdir(tmp_path)
    track = {field.name: 0 for field in WORD_TRACKS} | {"start_error_s": 0.25}
    publish(Tables("out", S3Options()), 0, [transcript("call", region="us", word_tracks=[track])])


def test_the_queries_for_duckdb_find_what_they_promise(published):
    (block,) = (block for block in code_blocks("sql") if "GROUP BY" in block)
    connection = duckdb_connection()
    queries = [query for query in block.split(";") if "delta_scan" in query]
    assert [connection.sql(query).fetchall() for query in queries] == [
        [("en", "us", 1, 1.5 / 3600)],
        [("call", {"text": " hello", "start_s": 0.1, "end_s": 0.5, "probability": 0.9}, 0.25)],
    ]


def test_the_lines_for_pandas_run(published):
    (block,) = (block for block in code_blocks("python") if "to_pandas" in block)
    names: dict[str, Any] = {}
    exec(block, names)
    (row,) = names["utterances"].to_dict("records")
    assert row["recording_id"] == "call" and row["utterances"]["text"] == "hello"


@pytest.mark.spark
def test_the_lines_for_spark_run(published, spark):
    (block,) = (block for block in code_blocks("python") if "create_views" in block)
    names: dict[str, Any] = {}
    exec(block, names)
    assert [tuple(row) for row in names["words"].collect()] == [("call", "0", " hello", "hello", 0.1)]
    assert names["spark"] is spark
