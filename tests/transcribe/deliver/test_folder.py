"""A delivered folder's own notes lead nowhere outside of it: others may write there, too."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

from tables_fixtures import LOCAL

from transcribe.deliver.folder import PENDING, Folder, update
from transcribe.deliver.manifest import DeliveredFile, Manifest


def test_what_notes_name_outside_of_the_folder_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "delivered" / "day"
    folder.mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    theirs = [
        tmp_path / "theirs.txt",
        tmp_path / "delivered" / "theirs.vtt",
        tmp_path / "elsewhere" / "a.vtt",
    ]
    ours = [folder / "old.vtt", folder / "half.vtt"]
    for path in [*theirs, *ours]:
        path.write_text("x")
    (folder / "link").symlink_to(tmp_path / "elsewhere")
    outside = ["../../theirs.txt", "../theirs.vtt", "link/a.vtt", str(theirs[0])]
    (folder / PENDING).write_text(json.dumps(["half.vtt", *outside]))
    files = tuple(DeliveredFile.of(path, "vtt", b"x", 1, "a") for path in ["old.vtt", *outside])
    wanted = Manifest("s", None, "2026-01-31", {}, {}, {}, {})
    before = Manifest("s", None, "2026-01-31", {}, {"a": "then"}, {}, {}, files)
    update(Folder(str(folder), {}, wanted, before), SimpleNamespace(rows=lambda *_: []), LOCAL)  # type: ignore[arg-type]
    assert all(path.exists() for path in theirs)
    assert not any(path.exists() for path in ours)
