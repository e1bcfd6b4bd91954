"""Manifests as people and programs write them: spellings, delimiters, encodings, broken lines."""

from __future__ import annotations

import gzip
import json
from datetime import datetime, timezone
from pathlib import Path
from urllib.parse import quote

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from transcribe.errors import ManifestError
from transcribe.inputs import manifest
from transcribe.inputs.columns import columns_of
from transcribe.inputs.manifest import Manifest
from transcribe.inputs.rows import Row
from transcribe.storage.s3 import S3Options

ROWS = [("a.wav", "007", "us", "en", "desk"), ("b c.wav", "1e3", "us", "nb", "ünïcode")]
NAMES = ("uri", "recording_id", "region", "language", "service")


def read(folder: Path, name: str, content: str | bytes) -> Manifest:
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return manifest.read(str(folder / name), S3Options())


def said(folder: Path, found: Manifest) -> list[tuple[str | None, ...]]:
    """What the rows say, with uris as they were written."""
    errors = [row.error for row in found.rows if row.error]
    assert not errors
    return [
        (str(Path(row.uri).relative_to(folder)), *(getattr(row, name) for name in NAMES[1:]))
        for row in found.rows
    ]


def test_speakers_are_text_or_a_list(tmp_path: Path) -> None:
    rows = [{"uri": "a", "speakers": ["agent", "customer"]}, {"uri": "b", "speakers": "agent, customer"}]
    found = read(tmp_path, "a.jsonl", "".join(f"{json.dumps(row)}\n" for row in rows))
    assert [row.speakers for row in found.rows] == ["agent,customer", "agent, customer"]
    with pytest.raises(ManifestError, match="did you mean speakers"):
        read(tmp_path, "b.csv", "uri,speaker\na,agent\n")


def delimited(delimiter: str, names: tuple[str, ...] = NAMES) -> str:
    return "".join(f"{delimiter.join(line)}\n" for line in (names, *ROWS))


def as_json(names: tuple[str, ...] = NAMES) -> str:
    return "".join(f"{json.dumps(dict(zip(names, row, strict=True)))}\n" for row in ROWS)


SPELLED = ("URI", " Recording ID", "Region ", "LANGUAGE", "Service")
NEMO = ("audio_filepath", *NAMES[1:])
WRITTEN = {
    "commas.csv": delimited(","),
    "semicolons.csv": delimited(";"),
    "tabs.csv": delimited("\t"),
    "tabs.tsv": delimited("\t"),
    "bars.csv": delimited("|"),
    "excel.csv": "sep=;\r\n" + delimited(";").replace("\n", "\r\n"),
    "padded.csv": delimited(" , "),
    "quoted after a space.csv": "uri, recording_id, region, language, service\n"
    'a.wav, "007", "us", en, desk\n"b c.wav", 1e3, us, nb, "ünïcode"\n',
    "pandas.csv": pd.DataFrame(ROWS, columns=NAMES).to_csv(),
    "trailing.csv": delimited(",").replace("\n", ",,\n"),
    "blank lines.csv": "\n" + delimited(",").replace("\n", "\n,,,,\n\n"),
    "spelled.csv": delimited(",", SPELLED),
    "spelled.jsonl": as_json(SPELLED),
    "bom.csv": b"\xef\xbb\xbf" + delimited(",").encode(),
    "bom.jsonl": b"\xef\xbb\xbf" + as_json().encode(),
    "utf16.csv": delimited("\t").encode("utf-16"),
    "utf16le.csv": delimited(",").encode("utf-16-le"),
    "utf16be.jsonl": as_json().encode("utf-16-be"),
    "zipped.csv.gz": gzip.compress(delimited(";").encode()),
    "zipped.jsonl.gz": gzip.compress(as_json().encode()),
    "zipped all the same.csv": gzip.compress(delimited(",").encode()),
    "nemo.json": as_json(NEMO),
    "nemo.csv": delimited(",", NEMO),
    "array.json": json.dumps([dict(zip(NAMES, row, strict=True)) for row in ROWS], indent=2),
    "lines.ndjson": as_json().replace("\n", "\r\n\r\n"),
    "LOUD.CSV": delimited(","),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_however_it_is_written_it_says_the_same(name: str, tmp_path: Path) -> None:
    assert said(tmp_path, read(tmp_path, name, WRITTEN[name])) == ROWS


def test_a_column_nobody_asks_for_may_be_long_and_is_told(tmp_path: Path) -> None:
    text = f"{','.join(NAMES)},old text,Dauer\n{','.join(ROWS[0])},{'word ' * 100_000},1\n"
    found = read(tmp_path, "long.csv", text)
    assert said(tmp_path, found) == ROWS[:1] and found.unused == ["old text", "Dauer"]


AMBIGUOUS = {
    "region,Region": "both mean region",
    "region, region ": "both mean region",
    "regions": "did you mean region",
    "Langauge": "did you mean language",
    "channel": "did you mean channels",
    "recordingid_": "",
    "region,regions,languages,language": "",
    "data,url,rate,speech,id": "",
}


@pytest.mark.parametrize("header", AMBIGUOUS)
def test_a_name_that_nearly_is_a_column_is_taken_or_refused(header: str, tmp_path: Path) -> None:
    message = AMBIGUOUS[header]
    names = ["uri", *header.split(",")]
    if message:
        for name in ("m.csv", "m.jsonl"):
            line = json.dumps(dict.fromkeys(names, "x"))
            text = line if name == "m.jsonl" else f"{','.join(names)}\n{','.join('x' for _ in names)}\n"
            with pytest.raises(ManifestError, match=message):
                read(tmp_path, name, text)
    else:
        assert columns_of(names)["uri"] == "uri"


def errors(found: Manifest) -> dict[str, str]:
    """Of the rows that are none: the end of their id → message."""
    return {row.id.rpartition("#")[2]: row.error.message for row in found.rows if row.error}


def test_a_broken_line_is_a_failure_of_its_own(tmp_path: Path) -> None:
    text = 'uri,region\na.wav,us\nb.wav,us,or,not\n,us\n"c.wav,us\nd.wav,us\n"e"x.wav,us\nf.wav\n'
    found = read(tmp_path, "m.csv", text)
    assert [Path(row.uri).name for row in found.rows if not row.error] == ["a.wav", "d.wav", "f.wav"]
    told = errors(found)
    assert list(told) == ["2", "3", "4", "6"]
    assert "row 2 has more cells than the header" in told["2"] and "row 3 has no uri" in told["3"]
    assert all("is no CSV" in told[number] for number in ("4", "6"))
    lines = [
        '{"uri": "a.wav"}',
        '{"uri": "b.w',
        "[1]",
        "null",
        '{"uri": null}',
        '{"uri": "c.wav", "URI": "d"}',
    ]
    lines += ['{"uri": "d.wav", "region": {"a": 1}}', '{"uri": ["e.wav"]}', "[" * 100_000, '{"uri": "f.wav"}']
    found = read(tmp_path, "m.jsonl", "\n".join(lines))
    assert [Path(row.uri).name for row in found.rows if not row.error] == ["a.wav", "f.wav"]
    assert list(errors(found)) == [str(number) for number in range(2, 10)]
    assert {row.error.error for row in found.rows if row.error} == {"bad_row"}


def test_a_file_of_open_quotes_is_no_csv(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="cannot be read as a manifest"):
        read(tmp_path, "m.csv", "uri,region\n" + '"a.wav,us\n' * 1000)


@pytest.mark.parametrize(
    "content",
    [b"\x1f\x8bno gzip", gzip.compress(b"uri\na.wav\n" * 1000, mtime=0)[:50], b"\xff\xfe\x00", b"\0\0\0"],
)
def test_bytes_that_are_no_manifest(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(ManifestError):
        read(tmp_path, "m.csv", content)


def test_a_file_of_windows_is_read_as_it_was_written(tmp_path: Path) -> None:
    found = read(tmp_path, "m.csv", "uri,speakers\nbé.wav,Müller\n".encode("cp1252"))
    assert [(row.uri, row.speakers) for row in found.rows] == [(str(tmp_path / "bé.wav"), "Müller")]


def test_names_whose_bytes_are_not_utf8_are_found_and_others_fail_alone(tmp_path: Path) -> None:
    (tmp_path / "caf\udce9.wav").write_bytes(b"")
    latin = "uri,region\ncafé.wav,us\nb.wav,us\n".encode("latin-1")
    assert read(tmp_path, "m.csv", latin).rows[0].uri == str(tmp_path / "caf\udce9.wav")
    mixed = "uri,region\nš.wav,us\n".encode() + "é.wav,us\n".encode("latin-1")
    names = [Path(row.uri).name for row in read(tmp_path, "m.csv", mixed).rows]
    assert names == ["š.wav", "\udce9.wav"]


def test_other_spellings_of_places(tmp_path: Path) -> None:
    (tmp_path / "a b.wav").write_bytes(b"x")
    (tmp_path / "100%20.wav").write_bytes(b"x")
    places = [
        "s3a://b/k",
        "S3N://b/k",
        "s3://b/k",
        f"file:{tmp_path}/a%20b.wav",
        f"file://{tmp_path}/100%20.wav",
    ]
    places += [f"FILE://localhost{tmp_path}/a b.wav", "gs://b/k", "./x/../y.wav"]
    found = read(tmp_path, "m.jsonl", "".join(f"{json.dumps({'uri': place})}\n" for place in places))
    a_b = f"{tmp_path}/a b.wav"
    wanted = [*["s3://b/k"] * 3, a_b, f"{tmp_path}/100%20.wav", a_b, "gs://b/k", f"{tmp_path}/y.wav"]
    assert [row.uri for row in found.rows] == wanted


def test_an_id_is_what_a_table_can_hold() -> None:
    assert Row("u", recording_id="007").id == "007" and Row("a\nb.wav").id == "a\nb.wav"
    assert Row("u", recording_id="half \ud83d").id == "half \\ud83d"
    long = [Row("u", recording_id="x" * 5000 + end).id for end in "ab"]
    assert len(set(long)) == 2 and all(len(id_) < 300 for id_ in long)


def test_quotes_that_spark_escapes_with_a_backslash_are_read(tmp_path: Path) -> None:
    text = 'uri,note\na.wav,"she said \\"no, never\\", twice"\nb.wav,"C:\\\\calls"\n'
    found = read(tmp_path, "m.csv", text)
    assert [(Path(row.uri).name, row.error) for row in found.rows] == [("a.wav", None), ("b.wav", None)]


def test_backslashes_that_are_no_escapes_stay(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.wav").write_bytes(b"")
    (tmp_path / "sub\\b.wav").write_bytes(b"")
    found = read(tmp_path, "m.csv", "uri\nsub\\a.wav\nsub\\b.wav\nsub\\c.wav\n")
    assert [row.uri.removeprefix(f"{tmp_path}/") for row in found.rows] == [
        "sub/a.wav",
        "sub\\b.wav",
        "sub\\c.wav",
    ]


def test_text_that_is_stored_as_bytes_is_text(tmp_path: Path) -> None:
    pq.write_table(pa.table({"uri": [b"a.wav"], "region": ["é".encode()]}), tmp_path / "m.parquet")
    (row,) = manifest.read(str(tmp_path / "m.parquet"), S3Options()).rows
    assert (row.uri, row.region) == (str(tmp_path / "a.wav"), "é")


@pytest.mark.parametrize("suffix", [".parquet", ""])
def test_a_folder_of_parts_is_a_manifest(tmp_path: Path, suffix: str) -> None:
    folder = tmp_path / f"calls{suffix}"
    for region, uri in (("eu", "a.wav"), ("us east", "b.wav")):
        part = folder / f"region={quote(region)}" / "part-00000-x.c000.snappy.parquet"
        part.parent.mkdir(parents=True)
        pq.write_table(pa.table({"uri": [uri]}), part)
    (folder / "_SUCCESS").write_bytes(b"")
    assert len(manifest.parts(str(folder), S3Options())) == 2
    rows = manifest.read(str(folder), S3Options()).rows
    assert [(row.uri, row.region) for row in rows] == [
        (str(tmp_path / "a.wav"), "eu"),
        (str(tmp_path / "b.wav"), "us east"),
    ]
    (folder / "call.wav").write_bytes(b"")
    assert manifest.parts(str(folder), S3Options()) == []


def test_sections_of_files_are_refused_by_name(tmp_path: Path) -> None:
    lines = [{"audio_filepath": "a.wav", "offset": offset, "duration": 4.6} for offset in (0, 5.2)]
    with pytest.raises(ManifestError, match="column offset"):
        read(tmp_path, "m.jsonl", "\n".join(map(json.dumps, lines)))


def test_a_moment_in_another_time_zone_is_no_date(tmp_path: Path) -> None:
    moment = datetime(2026, 11, 2, 23, 30, tzinfo=timezone.utc)
    pq.write_table(pa.table({"uri": ["a.wav", "b.wav"], "date": [moment, None]}), tmp_path / "m.parquet")
    first, second = manifest.read(str(tmp_path / "m.parquet"), S3Options()).rows
    assert first.error is not None and "give the day itself" in first.error.message and second.error is None
