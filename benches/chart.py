"""The waits as a picture: measured beside the floor, and the bound as a line."""

from html import escape

WIDTH = 760
LEFT, RIGHT = 24, 32
ROW = 46

# Its own background keeps it readable on any page.
STYLE = """
text{font:13px system-ui,sans-serif;fill:#1f2328}.t{font-size:16px;font-weight:600}.s{font-size:11px;fill:#59636e}.n{font-weight:600}
.card{fill:#fff;stroke:#d1d9e0}.g{stroke:#e6eaef}.m{fill:#0969da}.f{fill:#9aa4ae}.b{stroke:#cf222e;stroke-width:2}
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.s{fill:#9198a1}.card{fill:#0d1117;stroke:#3d444d}
.g{stroke:#232a33}.m{fill:#4493f8}.f{fill:#656c76}.b{stroke:#f85149}}
"""


def text(x, y, words, kind="", anchor="start"):
    kind = f' class="{kind}"' if kind else ""
    anchor = f' text-anchor="{anchor}"' if anchor != "start" else ""
    return f'<text x="{x:.0f}" y="{y:.0f}"{kind}{anchor}>{escape(words)}</text>'


def bar(y, width, height, kind):
    return f'<rect class="{kind}" x="{LEFT}" y="{y:.0f}" width="{width:.1f}" height="{height}" rx="1.5"/>'


def line(x, top, bottom, kind):
    return f'<path class="{kind}" d="M{x:.1f} {top:.0f}V{bottom:.0f}"/>'


def label(y, each, show):
    """The figures themselves, beside the name: where a bar ends there is not always room."""
    name = escape(each.figure.replace("`", ""))
    beside = f"floor {show(each.floor)}, bound {show(each.bound)}"
    return (
        f'<text x="{LEFT}" y="{y:.0f}">{name}: <tspan class="n">{show(each.measured)}</tspan>'
        f' <tspan class="s">{beside}</tspan></text>'
    )


def panel(top, bars, step, every, show):
    """Its lines, and where it ends. A thin line each `step` ms, with its time at each `every`th."""
    most = max(max(each.measured, each.bound) for each in bars)
    scale = (WIDTH - LEFT - RIGHT) / most
    bottom = top + ROW * len(bars)
    parts = []
    for number in range(int(most / step) + 1):
        x = LEFT + number * step * scale
        parts.append(line(x, top, bottom, "g"))
        if number % every == 0:
            parts.append(text(x, bottom + 15, show(number * step), "s", "middle"))
    for number, each in enumerate(bars):
        y = top + ROW * number
        parts += [
            label(y + 15, each, show),
            bar(y + 21, each.measured * scale, 10, "m"),
            bar(y + 32, each.floor * scale, 5, "f"),
            line(LEFT + each.bound * scale, y + 19, y + 39, "b"),
        ]
    return parts, bottom + 26


def legend(y):
    parts = []
    for x, kind, word in [(0, "m", "measured"), (90, "f", "floor: the bare requests alone"), (300, "", "bound")]:
        x += LEFT
        mark = f'<rect class="{kind}" x="{x}" y="{y - 9}" width="12" height="10" rx="1.5"/>'
        parts += [mark if kind else line(x + 6, y - 13, y + 5, "b"), text(x + 18, y, word, "s")]
    return parts


def milliseconds(value):
    return f"{value:.0f} ms"


def seconds(value):
    return f"{value / 1000:.2f} s" if value % 1000 else f"{value / 1000:.0f} s"


def draw(bars, bars_of_many, round_trip):
    title = f"Signing and verifying, {round_trip} ms away from S3, KMS, Vault, STS and GitHub"
    parts, end = [], 52
    for some, step, show in [(bars, round_trip, milliseconds), (bars_of_many, 500, seconds)]:
        if some:
            more, end = panel(end + 14, some, step, 2, show)
            parts += more
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{end}" '
            f'viewBox="0 0 {WIDTH} {end}" role="img">',
            f"<title>{escape(title)}</title><style>{STYLE}</style>",
            f'<rect class="card" x=".5" y=".5" width="{WIDTH - 1}" height="{end - 1}" rx="6"/>',
            text(LEFT, 32, title, "t"),
            *legend(54),
            *parts,
            "</svg>",
            "",
        ]
    )
