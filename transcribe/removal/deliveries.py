"""Removed recordings in delivered folders: subtitles, lines, rows, and what the manifest says of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq

from transcribe.deliver import ledger, manifest
from transcribe.deliver.folder import PENDING
from transcribe.deliver.formats import FILES
from transcribe.deliver.manifest import DeliveredFile, Manifest
from transcribe.deliver.profile import Profile
from transcribe.errors import StorageError
from transcribe.removal.tree import Trace, Tree
from transcribe.storage.files import absolute, lies_in, open_binary
from transcribe.tables.parquet import REWRITE_ROWS
from transcribe.tables.removed import Removed

TABLES = {FILES[name] for name in FILES}
SUBTITLES = "subtitles/"


def deliveries(tree: Tree, removed: Removed) -> Iterator[Trace]:
    """Find removed recordings in the folders below the output, and in those that it has delivered to."""
    names = (f"/{manifest.NAME}", f"/{PENDING}")
    below = {place.rpartition("/")[0] for place in tree.files if place.endswith(names)}
    elsewhere = set(_delivered_to(tree)) - below
    for folder in sorted(below | elsewhere):
        found = manifest.read(folder, tree.s3)
        if folder in elsewhere and (found is None or found.table != f"{tree.root}/transcripts"):
            continue
        gone = _names(found, removed) if found else set()
        is_begun = f"{folder}/{PENDING}" in tree.files and not tree.spares_new_files
        begun = _unlisted(tree, folder, found) if is_begun else None
        if gone or is_begun:
            yield Trace(
                "delivered recordings",
                folder,
                len(gone),
                lambda folder=folder, found=found, begun=begun: (  # type: ignore[misc]
                    _take_out(tree, folder, found, removed, begun)
                ),
                frozenset(gone),
            )


def _delivered_to(tree: Tree) -> Iterator[str]:
    """Yield the folders that the ledger beside the tables knows, wherever they lie."""
    top = f"{tree.root}/{ledger.FOLDER}/"
    for place in (one for one in tree.files if one.startswith(top)):
        service, _, date = place.removeprefix(top).removesuffix(".json").partition("/")
        if not date or f"{top}{service}.json" not in tree.files:
            continue
        try:
            profile = Profile.model_validate(tree.json_of(f"{top}{service}.json")["profile"])
        except (ValueError, KeyError, TypeError):  # of another release
            continue
        for region in tree.json_of(place) or ():
            folder = absolute(profile.folder(unquote(service), region, date))
            if tree.admits(folder):
                yield folder


def _names(found: Manifest, removed: Removed) -> set[str]:
    of_files = {file.recording_id for file in found.files if file.recording_id}
    return {id_ for id_ in {*found.recordings, *found.failed, *found.late, *of_files} if removed.has(id_)}


def _unlisted(tree: Tree, folder: str, found: Manifest | None) -> list[str]:
    """Return files that a killed delivery has begun and its manifest does not list: the next one writes them
    again, and nothing says whose they are."""
    listed = {file.path for file in found.files} if found else set()
    begun = [path for path in tree.json_of(f"{folder}/{PENDING}") or () if isinstance(path, str)]
    ours = [path for path in begun if path in TABLES or path.startswith(SUBTITLES)]
    return [path for path in ours if path not in listed and f"{folder}/{path}" in tree.files]


def _take_out(
    tree: Tree, folder: str, found: Manifest | None, removed: Removed, begun: list[str] | None
) -> None:
    """The manifest is written last: until then it says what is still to be done."""
    for path in begun or ():
        if lies_in(f"{folder}/{path}", folder):
            tree.delete(f"{folder}/{path}")
    if begun is not None:
        tree.delete(f"{folder}/{PENDING}")  # its names are those of recordings
    if found is None:
        return
    files, names = [], _names(found, removed)
    for file in found.files:
        place = f"{folder}/{file.path}"
        if not lies_in(place, folder):
            continue
        if file.recording_id in names and file.path.startswith(SUBTITLES):
            tree.delete(place)
        elif file.recording_id is None and file.path in TABLES:
            files.append(_without(tree, place, file, removed))
        else:
            files.append(file)

    def kept(entries: dict[str, str]) -> dict[str, str]:
        return {id_: value for id_, value in entries.items() if id_ not in names}

    replace(
        found,
        files=tuple(files),
        recordings=kept(dict(found.recordings)),
        failed=kept(dict(found.failed)),
        late=kept(dict(found.late)),
    ).write(folder, tree.s3)


def _without(tree: Tree, place: str, file: DeliveredFile, removed: Removed) -> DeliveredFile:
    try:
        with tree.replacement(place) as path:
            if place.endswith(".parquet"):
                n_rows = 0
                with open_binary(place, tree.s3) as source:
                    whole = pq.ParquetFile(source)
                    with pq.ParquetWriter(path, whole.schema_arrow, compression="zstd") as writer:
                        for batch in whole.iter_batches(REWRITE_ROWS):
                            ids = batch["recording_id"].to_pylist()
                            kept = batch.filter(pa.array([not removed.has(id_) for id_ in ids], pa.bool_()))
                            n_rows += kept.num_rows
                            writer.write_batch(kept)
            else:
                lines = [
                    line for line in tree.lines(place) if not removed.has(json.loads(line)["recording_id"])
                ]
                n_rows = len(lines)
                path.write_bytes(b"".join(lines))
            return DeliveredFile.of(file.path, file.format, path, n_rows)
    except StorageError as error:
        if error.error != "not_found":
            raise
        return file
