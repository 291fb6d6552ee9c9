"""What the marks of a figure say: values that a page shows on hover, focus and tap, and offers as a table.

Each mark is an unseen dot, whose address in the SVG is its values; `book/_ext/figure_links.py` reads them there.
"""

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlencode

import matplotlib.pyplot as plt
import numpy as np

ADDRESS = "#mark?"
SIZE = 90.0
"""Of a mark, in square points: about as large as the tip of a pointer."""


def put(ax: plt.Axes, x: Iterable[float], y: Iterable[float], rows: Iterable[Mapping[str, Any]]) -> None:
    """Put marks on a plot that has its data already; limits stay as they are.

    Parameters
    ----------
    ax
        The plot.
    x, y
        Where marks are, in its units; those that are not finite are left out.
    rows
        What each says: name -> value. Numbers are rounded to two decimals; values that are missing are left out.
    """
    there = [
        (a, b, ADDRESS + urlencode(said(row)))
        for a, b, row in zip(x, y, rows, strict=True)
        if np.isfinite(a) and np.isfinite(b)
    ]
    if not there:
        return
    limits = ax.get_xlim(), ax.get_ylim(), ax.get_autoscalex_on(), ax.get_autoscaley_on()
    places = np.array([place[:2] for place in there])
    dots = ax.scatter(places[:, 0], places[:, 1], s=SIZE, alpha=0, linewidths=0, zorder=9)
    dots.set_urls([address for *_, address in there])
    ax.set_xlim(limits[0], auto=limits[2])
    ax.set_ylim(limits[1], auto=limits[3])


def said(row: Mapping[str, Any]) -> dict[str, str]:
    """Return the values of a mark as text, without those that are missing."""
    return {
        name: f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float | np.floating) else str(value)
        for name, value in row.items()
        if not (value is None or value != value)
    }
