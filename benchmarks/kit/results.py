"""From runs to a table: medians over seeds, and how arms compare. Pure functions over plain data."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from statistics import median
from typing import Any

from impasto.metrics.report import SPACES

COLUMNS = (
    ("images/s", "images_per_second", ".2f"),
    ("images", "images_seen", ",.0f"),
    ("FD-lite0", "fd", ".1f"),
    ("KID-lite0", "kd", ".4f"),
    ("FLD-lite0", "fld", ".2f"),
    ("precision", "precision", ".3f"),
    ("recall", "recall", ".3f"),
    ("coverage", "coverage", ".3f"),
    ("colours", "colour_distance", ".4f"),
    *((f"{space} AUC", f"{space}_source_auc", ".3f") for space in SPACES),
    *((f"{space} sourced", f"{space}_sourced_share", ".3f") for space in SPACES),
    *((f"{space} pull", f"{space}_train_pull", ".3f") for space in SPACES),
)
# What real pictures get of these; what has no floor_... beside it is an ideal.
NEW = {"source_auc": 0.5, "train_pull": 0.0}
REFERENCES = ("dcgan-example", "dcgan")


def summarise(runs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """One entry per arm, in order: medians over its finished seeds at every moment, and the comparisons.

    `fd_ratio` is (FD - floor) / (FD of the textbook - floor) at the end; `minutes_to_best_peer` when the
    arm's FD fell to the best peer's last one, None where it never did. Both are None without such an arm.
    """
    finished = [run for run in runs if run["finished"]]
    names = list(dict.fromkeys(run["arm"] for run in finished))
    arms = [_medians(name, [run for run in finished if run["arm"] == name]) for name in names]
    recipes = {arm["recipe"]: arm for arm in reversed(arms) if not arm["overrides"]}
    reference = next((recipes[name] for name in REFERENCES if name in recipes), None)
    peers = [arm["moments"][-1]["fd"] for arm in arms if arm["peer"]]
    for arm in arms:
        last = arm["moments"][-1]
        arm["fd_ratio"] = arm["minutes_to_best_peer"] = None
        if reference is not None and (span := reference["moments"][-1]["fd"] - last["floor_fd"]) > 0:
            arm["fd_ratio"] = (last["fd"] - last["floor_fd"]) / span
        if peers:
            curve = [(m["seconds"] / 60, m["fd"]) for m in arm["moments"]]
            arm["minutes_to_best_peer"] = minutes_to_reach(curve, min(peers))
    return arms


def minutes_to_reach(curve: Sequence[tuple[float, float]], target: float) -> float | None:
    """When a curve of (minutes, value), straight between its points, first falls to `target`; or None.

    A curve that begins at or below it gives its first moment: earlier is not known.
    """
    if curve and curve[0][1] <= target:
        return curve[0][0]
    for (start, high), (end, low) in pairwise(curve):
        if low <= target < high:
            return start + (end - start) * (high - target) / (high - low)
    return None


def table(arms: Sequence[dict[str, Any]], copies: Mapping[str, dict[str, Any]]) -> str:
    """The last moment of every arm; below it real pictures, as many that were trained on, and `copies`."""
    heads = ["arm", "minutes", *(name for name, _, _ in COLUMNS), "FD ratio", "min to peer"]
    rows = []
    for arm in arms:
        last = arm["moments"][-1]
        rows.append(
            [
                arm["arm"] + (f" ({len(arm['seeds'])} seeds)" if len(arm["seeds"]) > 1 else ""),
                f"{last['seconds'] / 60:.1f}",
                *_cells(last),
                _number(arm["fd_ratio"]),
                _number(arm["minutes_to_best_peer"]),
            ]
        )
    if arms:
        last = arms[0]["moments"][-1]
        rows.append(["as many training pictures", "", *_cells(floor_of(last)), "", ""])
    rows += [[name, "", *_cells(figures), "", ""] for name, figures in copies.items()]
    widths = [max(len(row[i]) for row in [heads, *rows]) for i in range(len(heads))]
    lines = [
        "  ".join(
            c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in [heads, *rows]
    ]
    return "\n".join(lines)


def floor_of(figures: Mapping[str, Any]) -> dict[str, Any]:
    """What real pictures would get, by the same names."""
    known = {name.removeprefix("floor_"): value for name, value in figures.items() if "floor_" in name}
    spaces = {f"{space}_{name}": value for space in SPACES for name, value in NEW.items()}
    chance = {f"{space}_sourced_share": figures.get(f"{space}_sourced_chance") for space in SPACES}
    return known | spaces | chance


def _cells(figures: Mapping[str, Any]) -> list[str]:
    values = [(figures.get(key), form) for _, key, form in COLUMNS]
    return ["" if value is None else format(value, form) for value, form in values]


def _medians(name: str, runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    moments = []
    for same in zip(*(run["moments"] for run in runs), strict=True):
        values = {key: [m[key] for m in same] for key in same[0]}
        moments.append({key: None if None in all_ else median(all_) for key, all_ in values.items()})
    return {
        "arm": name,
        **{key: runs[0][key] for key in ("recipe", "overrides", "peer")},
        "seeds": [run["seed"] for run in runs],
        "moments": moments,
    }


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
