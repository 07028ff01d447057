"""Curves over minutes above, the last pictures of every arm below, in one PNG."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impasto.errors import MissingDependencyError
from impasto.files import write_bytes_atomically

# (title, figure, floor): the floor is a dashed line.
PANELS = (
    ("FD-lite0", "fd", "floor_fd"),
    ("KID-lite0", "kd", "floor_kd"),
    ("recall", "recall", "floor_recall"),
    ("coverage", "coverage", "floor_coverage"),
    ("distance of colours", "colour_distance", "floor_colour_distance"),
    ("layout AUC: new .5, copies 1", "layout_source_auc", None),
)
SHEETS_IN_A_ROW = 4


def plot(
    arms: Sequence[dict[str, Any]], sheets: Mapping[str, NDArray[np.uint8]], path: Path, title: str
) -> None:
    """Draw the summary's arms and the contact sheets (H, W, C) uint8 by name.

    Raises `MissingDependencyError` without matplotlib.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingDependencyError("drawing needs matplotlib", "pip install 'impasto[dev]'") from None
    sheet_rows = -(-len(sheets) // SHEETS_IN_A_ROW)
    figure = Figure(figsize=(20, 8 + 5 * sheet_rows), layout="constrained")
    FigureCanvasAgg(figure)
    curves, pictures = figure.subfigures(2, 1, height_ratios=(8, max(1, 5 * sheet_rows)))
    curves.suptitle(title)
    for axes, (name, key, floor) in zip(curves.subplots(2, 3).flat, PANELS, strict=True):
        for arm in arms:
            minutes = [m["seconds"] / 60 for m in arm["moments"]]
            style = "--" if arm["peer"] else "-"
            axes.plot(minutes, [m[key] for m in arm["moments"]], style, marker="o", ms=3, label=arm["arm"])
        if floor and arms:
            axes.axhline(
                arms[0]["moments"][-1][floor], color="grey", linestyle=":", label="training pictures"
            )
        axes.set(title=name, xlabel="minutes")
        axes.set_ylim(bottom=min(0, axes.get_ylim()[0]))
        if key == "fd":
            axes.legend(fontsize="small")
    if sheets:
        grid = pictures.subplots(sheet_rows, SHEETS_IN_A_ROW, squeeze=False).flat
        for axes, (name, sheet) in zip(grid, sheets.items(), strict=False):
            axes.imshow(sheet if sheet.shape[2] > 1 else sheet[..., 0], cmap="gray", interpolation="nearest")
            axes.set_title(name, fontsize="medium")
        for axes in pictures.axes:
            axes.axis("off")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    write_bytes_atomically(path, buffer.getvalue())
