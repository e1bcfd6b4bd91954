"""The results of ``compare.py`` as Markdown tables."""

from __future__ import annotations

from collections.abc import Iterable

from transcribe.evaluate.timing import WITHIN_MS
from transcribe.evaluate.word_error import UNSPACED


def render(results: dict) -> str:
    """All tables, in the order in which they are asked for: errors, inventions, times, speed."""
    setting = "Peers: int8, beam {beam}, {threads} threads, language: {language}.\n"
    return "\n".join(
        [
            setting.format(**results["peers"]),
            *(_errors(form, groups, results["n_scored"]) for form, groups in results["error_rates"].items()),
            _left_out(results),
            _invented(results),
            _word_times(results["word_times"]),
            _speed(results["speed"]),
        ]
    )


def _errors(form: str, groups: dict, n_scored: int) -> str:
    if not groups:
        return f"## Error rate, {form}\n\nNo recording with a reference was answered by every system.\n"
    systems = list(next(iter(groups.values())))
    rows = [
        [
            group + (" (characters)" if group in UNSPACED else ""),
            str(cells[systems[0]]["n_reference"]),
            *(_rate(cells[name]) for name in systems),
        ]
        for group, cells in groups.items()
    ]
    note = (
        f"{n_scored} recordings that every system answered. Rate (substitutions + deletions + insertions); "
        "sums mix words and, for languages written without spaces, characters."
    )
    return f"## Error rate, {form}\n\n{note}\n\n{table(['', 'reference', *systems], rows)}"


def _rate(cell: dict) -> str:
    return f"{cell['rate']:.4f} ({cell['substitutions']}+{cell['deletions']}+{cell['insertions']})"


def _left_out(results: dict) -> str:
    rows = [[name, file, why] for name, files in results["missing"].items() for file, why in files.items()]
    if not rows:
        return "Every system answered every file.\n"
    left_out = ", ".join(results["left_out"]) or "none"
    return (
        f"## Not answered\n\nReferences not scored because of it: {left_out}.\n\n"
        f"{table(['system', 'file', 'why'], rows)}"
    )


def _invented(results: dict) -> str:
    rows = [
        [name, str(len(files)), "; ".join(f"{file}: {text[:60]}" for file, text in files.items())]
        for name, files in results["invented"].items()
    ]
    return (
        f"## Words where nobody speaks ({results['n_speechless']} files)\n\n"
        f"{table(['system', 'files with words', 'which'], rows)}"
    )


def _word_times(by_source: dict) -> str:
    header = ["gold times", "system", "side", "matched / gold", "median ms"]
    header += [f"≤ {limit_ms} ms" for limit_ms in WITHIN_MS]
    rows = [
        [
            source,
            name,
            side,
            f"{summary[f'{side}_n']} / {summary['n_gold']}",
            _number(summary[f"{side}_median_ms"], 0),
            *(_number(summary[f"{side}_within_{limit_ms}_ms"], 3) for limit_ms in WITHIN_MS),
        ]
        for source, cell in by_source.items()
        for side in ("start", "end")
        for name, summary in cell.items()
    ]
    return f"## Word times\n\n{table(header, rows)}"


def _speed(speed: dict) -> str:
    rows = [
        [name, _number(s["audio_s"], 0), _number(s["wall_s"], 1), _number(s["rtfx"], 2), s["wall_holds"]]
        for name, s in speed.items()
    ]
    return f"## Speed\n\n{table(['system', 'audio s', 'wall s', 'RTFx', 'the wall time is'], rows)}"


def _number(value: float | None, decimals: int) -> str:
    return "–" if value is None else f"{value:.{decimals}f}"


def table(header: list[str], rows: Iterable[list[str]]) -> str:
    def line(cells: list[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |\n"

    return line(header) + "|" + "---|" * len(header) + "\n" + "".join(line(row) for row in rows)
