"""Colours, markers and the look of every figure."""

import os
import sys
from collections.abc import Sequence
from typing import Any

from IPython import get_ipython

from crosscorpus.base import paths, stamp

# Okabe and Ito's palette: told apart with any kind of colour vision (https://jfly.uni-koeln.de/color/).
EMOTION_COLOURS = {
    "anger": "#D55E00",
    "disgust": "#009E73",
    "fear": "#CC79A7",
    "happiness": "#E69F00",
    "sadness": "#0072B2",
    "neutral": "#7F7F7F",
    "calm": "#56B4E9",
    "surprise": "#B8A900",
    "boredom": "#444444",
}
MARKERS = ["o", "s", "^", "D", "v", "P", "X", "*", "<"]
SERIES_COLOURS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#7F7F7F"]
LINES = ["-", "--", ":", "-."]
PAPER_COLOUR = "#000000"


STYLE = paths.DATA / "figures.yaml"
FORMATS: dict[str, Any] = {"figure_formats": {"svg"}, "print_figure_kwargs": {"metadata": {"Date": None}}}
"""Of figures below a cell."""


def use_style() -> None:
    """Set the look of all figures: sharp SVG, quiet axes, a white ground that holds in dark mode too.

    Matplotlib takes a second to load, which a page without figures is spared: it reads this when it is loaded.
    """
    os.environ["MATPLOTLIBRC"] = str(STYLE)
    if (shell := get_ipython()) is not None:
        shell.config.InlineBackend.update(FORMATS)
    if "matplotlib" in sys.modules:
        import matplotlib as mpl
        from matplotlib_inline.backend_inline import set_matplotlib_formats

        mpl.rc_file(STYLE)
        set_matplotlib_formats("svg", **FORMATS["print_figure_kwargs"])


def put_stamp(figure: Any) -> None:
    """Write the checkout's stamp across a new figure, if it has one (`figure.hooks` of `STYLE`)."""
    for said in stamp.facts().values():
        lines = said.replace(": ", "\n")
        look = {"size": 3 * figure.get_figwidth(), "color": "#D55E00", "alpha": 0.25}  # of figures of any size
        figure.text(0.5, 0.5, lines, **look, ha="center", va="center", gid=stamp.NAME)


def style(number: int) -> tuple[str, str, str]:
    """Return colour, marker and line of the series of that number, from 0.

    The first seven have a colour each. Of up to 28 no two have the same colour and line, of up to 63 no two the
    same colour and marker.
    """
    again = number // len(SERIES_COLOURS)
    marker = MARKERS[(number + again) % len(MARKERS)]
    return SERIES_COLOURS[number % len(SERIES_COLOURS)], marker, LINES[again % len(LINES)]


def emotion_colours(emotions: Sequence[str]) -> dict[str, str]:
    """Return a colour for each emotion, in the order of legends; others than those of `EMOTION_COLOURS` come last.

    As there are no more colours that can be told apart, others repeat some: their markers differ.
    """
    others = [emotion for emotion in dict.fromkeys(emotions) if emotion not in EMOTION_COLOURS]
    known = {emotion: colour for emotion, colour in EMOTION_COLOURS.items() if emotion in emotions}
    return known | {emotion: style(number)[0] for number, emotion in enumerate(others)}
