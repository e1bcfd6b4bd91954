"""The benchmark's results as Markdown tables."""

from __future__ import annotations

from typing import Any

from compare import GROUPS
from compare_markdown import table

OVER_ALL = next(iter(GROUPS))
NOTES = """\
RTFx: audio seconds per second of decoding the files and transcribing them, median (least–most); in the next
column the whole process counts, with imports, Spark's session, model and one short clip. "first is": how many
times as fast as the row's system the first one is. CPU: seconds of all the system's processes per hour of
audio, without start-up. Memory: the most that all of them held. Model: seconds to load it; Spark's workers
load theirs during start-up. Repaired: chunks doubted at first, then fine. Error rates: over all files that
every system answered.
"""
FORMS = {"as written": "Error rate", "numbers spelled out": "Error rate, numbers spelled out"}


def render(results: dict[str, Any]) -> str:
    setting = ", ".join(f"{name} {value}" for name, value in results["setting"].items() if value)
    where = "; ".join(filter(None, [results["machine"], results["system"], results["accelerator"]]))
    parts = [
        f"Measured {results['date']} on {where}; code {results['code']}.\n\n`{results['command']}`\n\n"
        f"Setting: {setting}.\n\n{NOTES}",
        *(_workload(name, found) for name, found in results["workloads"].items()),
        _left_out(results["left_out"]),
        _versions(results["versions"]),
    ]
    return "\n".join(parts)


def _workload(name: str, found: dict[str, Any]) -> str:
    head = f"## {name}: {found['n_files']} files, {found['audio_s'] / 60:.1f} min\n"
    if not found["systems"]:
        return f"{head}\nNo system did it.\n"
    return "\n".join([head, _speed(found), *(_rates(found, form) for form in FORMS), _notes(found)])


def _speed(found: dict[str, Any]) -> str:
    header = ["system", "RTFx", "with start", "first is", "CPU s/h", "memory MB", "model s", "start s"]
    header += ["error rate", "repaired"]
    rates = found["error_rates"].get("as written", {}).get(OVER_ALL, {})
    first = next(iter(found["systems"].values()))["rtfx"]["median"]
    rows = []
    for label, system in found["systems"].items():
        rtfx, share = system["rtfx"], system["repaired_share"]
        rows.append(
            [
                label,
                f"{rtfx['median']:.1f} ({rtfx['min']:.1f}–{rtfx['max']:.1f})",
                f"{system['rtfx_with_start']['median']:.1f}",
                f"{first / rtfx['median']:.2f} ×" if rtfx["median"] else "–",
                *(f"{system[key]['median']:.0f}" for key in ("cpu_s_per_audio_h", "peak_rss_mb")),
                f"{system['load_s']['median']:.1f}" if system["load_s"]["median"] else "in start",
                f"{system['start_s']['median']:.1f}",
                f"{rates[label]['rate']:.4f}" if label in rates else "–",
                "–" if share is None else f"{share:.1%}",
            ]
        )
    return table(header, rows)


def _rates(found: dict[str, Any], form: str) -> str:
    groups = found["error_rates"].get(form, {})
    if not groups:
        return ""
    rows = [
        [label, *(f"{cells[label]['rate']:.4f}" for cells in groups.values())] for label in found["systems"]
    ]
    sizes = [f"{group} ({cells[rows[0][0]]['n_reference']})" for group, cells in groups.items()]
    return f"{FORMS[form]} (tokens of the reference):\n\n{table(['system', *sizes], rows)}"


def _notes(found: dict[str, Any]) -> str:
    lines = []
    if found["left_out"]:
        lines.append(f"- not scored, as not every system answered them: {', '.join(found['left_out'])}")
    for label, system in found["systems"].items():
        if not system["same_text_each_time"]:
            lines.append(f"- {label}: the texts differ from run to run")
        if system["errors"]:
            reasons = "; ".join(f"{file}: {reason}" for file, reason in sorted(system["errors"].items()))
            lines.append(f"- {label}: {len(system['errors'])} files failed: {reasons}")
        if invented := found["invented"].get(label):
            lines.append(f"- {label}: words where nobody speaks: {invented}")
    return "".join(f"{line}\n" for line in lines)


def _left_out(left_out: list[dict[str, str]]) -> str:
    if not left_out:
        return "Nothing was left out.\n"
    rows = [[item["system"], item["workload"], item["reason"]] for item in left_out]
    return f"## Left out\n\n{table(['system', 'workload', 'why'], rows)}"


def _versions(versions: dict[str, dict[str, str]]) -> str:
    rows = [[label, ", ".join(f"{k} {v}" for k, v in found.items())] for label, found in versions.items()]
    return f"## Versions\n\n{table(['system', 'packages'], rows)}"
