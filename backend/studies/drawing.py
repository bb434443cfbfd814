"""What the reports of studies share: inks, quiet axes, a legend below, Markdown tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from tabulate import tabulate

INK, FAINT = "#1f2933", "#cbd2d9"
ORANGE, TEAL, SLATE = "#b8500c", "#0b7285", "#52606d"
"""Orange and blue-green keep apart for colour-blind eyes; every mark is also named."""
DPI = 160


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; numbers stay as they are written."""
    return tabulate(rows, header, tablefmt="github", disable_numparse=True)


def calm(axes: Axes, title: str) -> None:
    """Hairlines, small labels, the title at the left."""
    axes.set_title(title, loc="left", fontsize=9, color=INK)
    axes.tick_params(labelsize=8, colors=INK, length=0)
    axes.spines[:].set_color(FAINT)
    axes.grid(color=FAINT, lw=0.5)
    axes.set_axisbelow(True)


def legend(figure: Figure, colours: Mapping[str, str]) -> None:
    """Words -> colour, below the plots."""
    from matplotlib.patches import Patch

    handles = [Patch(color=colour, label=words) for words, colour in colours.items()]
    figure.legend(handles=handles, loc="outside lower left", ncols=len(handles), fontsize=8, frameon=False)
