"""The benchmark's speeds as an SVG: a bar a system and workload, its spread, and its error rate."""

from __future__ import annotations

from html import escape
from typing import Any

from compare import GROUPS

WIDTH, LABEL_WIDTH, BAR_WIDTH = 900, 230, 460
ROW, BAR, TITLE = 24, 16, 44
OURS = ("library", "spark")
OUR_COLOUR, PEER_COLOUR, INK = "#2a6f97", "#b8b8b8", "#222222"


def plot(results: dict[str, Any]) -> str:
    """A panel a workload, each with its own scale from 0."""
    y, parts = 0, []
    for name, found in results["workloads"].items():
        if found["systems"]:
            parts += _panel(name, found, y)
            y += TITLE + ROW * len(found["systems"])
    caption = (
        f"{results['date']} · {results['machine']} · RTFx: audio seconds per second, median, least to most"
    )
    parts.append(_text(8, y + 24, caption, 11))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + 36}" '
        f'font-family="sans-serif" fill="{INK}">\n'
        f'<rect width="{WIDTH}" height="{y + 36}" fill="white"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _panel(name: str, found: dict[str, Any], top: int) -> list[str]:
    scale = BAR_WIDTH / max(max(s["rtfx"]["max"] for s in found["systems"].values()), 1e-9)
    rates = found["error_rates"].get("as written", {}).get(next(iter(GROUPS)), {})
    title = f"{name}: {found['n_files']} files, {found['audio_s'] / 60:.0f} min"
    parts = [_text(8, top + 28, title, 15, "bold")]
    for i, (label, system) in enumerate(found["systems"].items()):
        y = top + TITLE + i * ROW
        rtfx = system["rtfx"]
        colour = OUR_COLOUR if label.partition(":")[0] in OURS else PEER_COLOUR
        low, high = (LABEL_WIDTH + rtfx[end] * scale for end in ("min", "max"))
        width, middle = rtfx["median"] * scale, y + BAR / 2
        value = f"{rtfx['median']:.1f}" + (
            f", error rate {rates[label]['rate']:.3f}" if label in rates else ""
        )
        parts += [
            _text(LABEL_WIDTH - 8, y + BAR - 3, label, 12, anchor="end"),
            f'<rect x="{LABEL_WIDTH}" y="{y}" width="{width:.1f}" height="{BAR}" fill="{colour}"/>',
            f'<path d="M{low:.1f} {middle}H{high:.1f}" stroke="{INK}" stroke-width="1.5"/>',
            _text(round(high) + 8, y + BAR - 3, value, 12),
        ]
    return parts


def _text(x: int, y: int, text: str, size: int, weight: str = "normal", anchor: str = "start") -> str:
    return (
        f'<text x="{x}" y="{y}" font-size="{size}" font-weight="{weight}" text-anchor="{anchor}">'
        f"{escape(text)}</text>"
    )
