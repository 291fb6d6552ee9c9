"""The picture of what a head says of recordings."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from crosscorpus.book import figure_colours, figures

MOST = 40
"""Recordings that are drawn; the table has all."""
LONGEST = 44
"""Characters of a name that are shown."""


def probabilities(table: pd.DataFrame, emotions: Sequence[str]) -> Figure:
    """Draw a bar for each recording, divided by calibrated probabilities; what is unlike known speech is pale.

    Parameters
    ----------
    table
        What `predicting.of_recordings` returns; recordings that cannot be used are not drawn.
    """
    good = table[table["problem"] == ""]
    if good.empty:
        return figures.nothing_to_draw("There is nothing to draw: no recording could be used.")
    shown = good.head(MOST).iloc[::-1]
    colours = figure_colours.emotion_colours(list(emotions))
    fig, ax = plt.subplots(figsize=(7.5, 1.2 + 0.28 * len(shown)))
    places, left = range(len(shown)), pd.Series(0.0, shown.index)
    pale = (shown["unlike"] != "").to_numpy()
    for emotion, colour in colours.items():
        width = 100 * shown[f"p_{emotion}"].astype(float)
        bars = ax.barh(places, width, left=left, color=colour, label=emotion, height=0.72)
        for bar, is_pale in zip(bars, pale, strict=True):
            bar.set_alpha(0.3 if is_pale else 1.0)
        left = left + width
    names = [_short(name) + (" (unlike)" if p else "") for name, p in zip(shown["recording"], pale, strict=True)]
    ax.set_yticks(list(places), names, parse_math=False)  # a dollar sign in a name is no formula
    more = f" (the first {len(shown)} of {len(good)})" if len(good) > len(shown) else ""
    ax.set(xlim=(0, 100), xlabel=f"calibrated probability (%){more}")
    ax.tick_params(axis="y", length=0)
    full = [
        plt.Rectangle((0, 0), 1, 1, color=colour) for colour in colours.values()
    ]  # though the first bar is pale
    fig.legend(full, list(colours), loc="outside upper center", ncols=min(5, len(colours)))
    return fig


def _short(name: str) -> str:
    return name if len(name) <= LONGEST else f"…{name[-LONGEST + 1 :]}"
