"""The architecture as tests: who may import whom, where clocks meet, how big things may grow."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("transcribe", "udfs", "jobs")
MODULES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for package in PACKAGES
    for path in sorted((ROOT / package).rglob("*.py"))
}
SCRIPTS = {path.name: path.read_text(encoding="utf-8") for path in sorted((ROOT / "scripts").glob("*.py"))}

MODEL_PACKAGES = {
    *("ctranslate2", "faster_whisper", "onnxruntime", "tokenizers"),
    *("torch", "torchaudio", "transformers", "whisper", "whisperx", "soundswallower"),
}
AUDIO_PACKAGES = {"av", "soundfile", "soxr"}
MODEL_MODULES = {
    f"transcribe.{name}"
    for name in (
        *("audio", "speech", "engines", "alignment", "transcript", "pipeline"),
        *("decoding.decoder", "decoding.guards", "decoding.mbr"),
    )
}

FLOORS = (
    {"verdicts", "escape", "redact"},
    {"types"},
    {"errors", "clock"},
    {"requirements"},
    {"parallel"},
    {"languages", "words", "layers", "section", "job_config", "config", "deliver.profile"},
    {"engines.names", "engines.cpu"},
    {"storage"},
    {"models"},
    {"content"},
    {"audio"},
    {"inputs"},
    {"speech"},
    {"alignment"},
    {"engines"},
    {"decoding"},
    {"text"},
    {"transcript"},
    {"pages"},
    {"pipeline", "tables", "deliver", "evaluate"},
    {"removal"},
    {"console", "view"},
    {"__main__", "models.__main__", "deliver.__main__", "evaluate.__main__"},
)
"""Inside the library, in the order in which data flows: nothing imports what stands on a later line."""
MEETING_POINT = "transcribe/clock.py"
ROUNDING = {"transcribe/transcript/utterances.py", "transcribe/transcript/coverage.py"}
MAX_MODULE_LINES, MAX_FUNCTION_LINES = 320, 70
MAX_DECLARATION_LINES = 500
"""For modules that hold hardly more than declarations: records, settings, schemas, error classes."""
DECLARATIONS = {
    *("transcribe/types.py", "transcribe/config.py", "transcribe/errors.py", "transcribe/models/registry.py"),
    "transcribe/tables/schemas.py",
}


def imports(source: str, module: str = "") -> Iterator[tuple[str, bool]]:
    """(absolute dotted name, is it imported with the module rather than inside a function) of each import."""

    def visit(node: ast.AST, eager: bool) -> Iterator[tuple[str, bool]]:
        if isinstance(node, ast.Import):
            yield from ((alias.name, eager) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = module.removesuffix(".py").split("/")[: -node.level] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield from ((f"{base}.{alias.name}", eager) for alias in node.names)
        inside = eager and not isinstance(node, ast.FunctionDef)
        for child in ast.iter_child_nodes(node):
            yield from visit(child, inside)

    yield from visit(ast.parse(source), True)


def is_of(name: str, modules: set[str]) -> bool:
    """Is the dotted name one of the modules or inside one?"""
    return any(name == module or name.startswith(f"{module}.") for module in modules)


def forbidden(package: str, modules: set[str]) -> list[str]:
    """What a package's modules import, wherever they do, that they must not."""
    return [
        f"{path} imports {name}"
        for path, source in MODULES.items()
        if path.startswith(f"{package}/")
        for name, _ in imports(source, path)
        if is_of(name, modules)
    ]


def names(node: ast.AST) -> set[str]:
    """Identifiers and attributes in an expression."""
    found = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
    return found | {n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute)}


def on_chunk_clock(name: str) -> bool:
    return name.endswith("_in_chunk_s")


def on_recording_clock(name: str) -> bool:
    return name in ("start_s", "end_s")


def mixed_clocks(source: str) -> list[int]:
    """Lines that add, compare or choose between times of the two clocks."""
    lines = []
    for node in ast.walk(ast.parse(source)):
        operation = isinstance(node, (ast.BinOp, ast.Compare)) or (
            isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("min", "max")
        )
        if operation and any(map(on_chunk_clock, names(node))) and any(map(on_recording_clock, names(node))):
            lines.append(node.lineno)
    return sorted(set(lines))


def rounded_times(source: str) -> list[int]:
    """Lines that round a time to decimals."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "round"
        and len(node.args) == 2
        and any(on_chunk_clock(name) or on_recording_clock(name) for name in names(node.args[0]))
    ]


def long_functions(source: str) -> list[str]:
    functions = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef))
    n_lines = {f.name: (f.end_lineno or f.lineno) - f.lineno + 1 for f in functions}
    return [f"{name}: {n} lines" for name, n in n_lines.items() if n > MAX_FUNCTION_LINES]


def test_the_library_knows_nothing_of_spark_pandas_or_the_layers_above():
    assert not forbidden("transcribe", {"pyspark", "py4j", "pandas", "udfs", "jobs", "scripts"})


def test_the_bridge_knows_no_jobs_configuration_files_or_sessions():
    sessions = {"pyspark.sql.SparkSession", "pyspark.SparkContext"}
    files = {"yaml", "transcribe.config.load", "transcribe.models.registry.Registry"}
    assert not forbidden("udfs", {"jobs", "scripts"} | files | sessions)
    assert not [path for path, text in MODULES.items() if path.startswith("udfs/") and "getOrCreate" in text]


def test_jobs_hold_no_model_code():
    assert not forbidden("jobs", MODEL_PACKAGES | AUDIO_PACKAGES | MODEL_MODULES | {"numpy"})
    assert not forbidden("udfs", MODEL_PACKAGES | AUDIO_PACKAGES)


def test_model_packages_are_imported_by_engines_or_when_used():
    eager = [
        f"{path} imports {name}"
        for path, source in MODULES.items()
        for name, with_module in imports(source, path)
        if with_module and is_of(name, MODEL_PACKAGES)
    ]
    assert [line for line in eager if not line.startswith("transcribe/engines/")] == []


def test_jobs_do_no_arithmetic_with_times():
    """They count durations; where something starts or ends they never look."""
    found = {
        path: names(ast.parse(text)) for path, text in MODULES.items() if not path.startswith("transcribe/")
    }
    assert not {
        path: clocks
        for path, used in found.items()
        if (clocks := {name for name in used if on_chunk_clock(name) or on_recording_clock(name)})
    }


def floor_of(name: str) -> int:
    """Where a dotted name of the library stands in ``FLOORS``; a module may stand elsewhere than its room."""
    floors = {f"transcribe.{room}": n for n, names_ in enumerate(FLOORS) for room in names_}
    return floors[max((room for room in floors if is_of(name, {room})), key=len)]


def test_the_library_imports_no_room_that_comes_later_in_the_flow():
    upward = [
        f"{path} imports {name}"
        for path, source in MODULES.items()
        if path.startswith("transcribe/") and path != "transcribe/__init__.py"
        for name, _ in imports(source, path)
        if name.startswith("transcribe.") and name != "transcribe.__version__"
        if floor_of(name) > floor_of(path.removesuffix(".py").replace("/", "."))
    ]
    assert upward == []


def test_the_clocks_meet_in_one_place():
    assert {path for path, source in MODULES.items() if mixed_clocks(source)} == {MEETING_POINT}


def test_times_are_rounded_where_they_become_a_row():
    assert {path for path, source in MODULES.items() if rounded_times(source)} <= ROUNDING


def test_importing_the_library_loads_no_spark_and_no_model():
    modules = [
        path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
        for path in MODULES
        if path.startswith("transcribe/") and not path.startswith("transcribe/engines/")
    ]
    banned = MODEL_PACKAGES | {"pyspark"}
    code = f"import sys, {', '.join([*modules, 'transcribe.engines'])}; print(*{banned} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


def test_planning_a_night_loads_no_model():
    """The driver plans; models are loaded where chunks are."""
    code = f"import sys, jobs.nightly, jobs.night.plan; print(*{MODEL_PACKAGES} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout.split()) == (0, []), done.stderr


@pytest.mark.parametrize("sources", [MODULES, SCRIPTS], ids=["packages", "scripts"])
def test_modules_and_functions_stay_small(sources):
    n_lines = {path: len(source.splitlines()) for path, source in sources.items()}
    most = {path: MAX_DECLARATION_LINES if path in DECLARATIONS else MAX_MODULE_LINES for path in sources}
    assert not {path: n for path, n in n_lines.items() if n > most[path]}
    assert not {path: found for path, source in sources.items() if (found := long_functions(source))}


def vacuous_asserts(source: str) -> list[int]:
    """Lines of asserts that hold whatever is computed: of a comprehension, or of a literal with content."""
    always = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Assert)
        and (
            isinstance(node.test, always)
            or (isinstance(node.test, (ast.Tuple, ast.List, ast.Set)) and node.test.elts)
            or (isinstance(node.test, ast.Constant) and bool(node.test.value))
        )
    ]


def test_test_modules_have_names_of_their_own():
    """Without packages, pytest imports them by name alone: a second one of a name breaks the whole run."""
    names_ = Counter(path.name for path in (ROOT / "tests").rglob("*.py"))
    assert not [name for name, n in names_.items() if n > 1]


def test_every_assert_can_fail():
    tests = {path: path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py")}
    assert not {path.name: lines for path, text in tests.items() if (lines := vacuous_asserts(text))}


def test_nothing_is_left_to_do():
    folders = (*PACKAGES, "conf", "scripts", "tests")
    texts = (
        path
        for folder in folders
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".py", ".sh", ".yaml", ".md", "") and path.is_file() and path != Path(__file__)
    )
    mark = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
    assert not [path.name for path in texts if mark.search(path.read_text(encoding="utf-8"))]


# The checks themselves, on code that breaks the rules.


def test_imports_are_found_however_they_are_written():
    source = "import a.b, c\nfrom d import e\nfrom . import f\nfrom ..g import h\ndef x():\n    import i"
    assert list(imports(source, "transcribe/engines/base.py")) == [
        ("a.b", True),
        ("c", True),
        ("d.e", True),
        ("transcribe.engines.f", True),
        ("transcribe.g.h", True),
        ("i", False),
    ]
    assert list(imports("from . import types", "transcribe/engines/__init__.py")) == [
        ("transcribe.engines.types", True)
    ]
    assert is_of("pyspark.sql", {"pyspark"}) and not is_of("pysparkling", {"pyspark"})


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("t = word.start_in_chunk_s + piece.start_s", [1]),
        ("t = min(word.end_in_chunk_s, piece.end_s)", [1]),
        ("if start_in_chunk_s < segment.end_s: pass", [1]),
        ("t = word.end_in_chunk_s - word.start_in_chunk_s + 0.5", []),
        ("t = piece.start_in_chunk_s + piece.duration_s", []),
        ("Piece(start_s=a.start_s, start_in_chunk_s=b.start_in_chunk_s)", []),
    ],
)
def test_arithmetic_across_clocks_is_found(source, lines):
    assert mixed_clocks(source) == lines


def test_rounding_of_times_is_found():
    assert rounded_times("a = round(u.start_s, 3)\nb = round(ratio, 3)\nn = round(u.start_s * 16000)") == [1]


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("assert [x > 0 for x in found]", [1]),
        ("assert (found, 'message')", [1]),
        ("assert 'text'", [1]),
        ("assert {x for x in found}", [1]),
        ("assert all(x > 0 for x in found)", []),
        ("assert found == [1, 2], [x for x in found]", []),
    ],
)
def test_asserts_that_cannot_fail_are_found(source, lines):
    assert vacuous_asserts(source) == lines


def test_long_functions_are_found():
    body = "    pass\n" * MAX_FUNCTION_LINES
    assert long_functions(f"class A:\n  def f(self):\n{body}") == ["f: 71 lines"]
    assert long_functions("def f():\n" + "    pass\n" * (MAX_FUNCTION_LINES - 1)) == []
