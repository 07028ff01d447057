"""What a run's `events.jsonl` says of its health: the function behind `impasto health`. Light to import."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from impasto.errors import InputError

NAMES: Mapping[str, str] = {
    "collapse": "mode collapse",
    "shape": "little variety of shapes",
    "colour": "little variety of colours",
    "theme": "little variety of themes",
    "worse": "getting worse",
    "coverage": "few real pictures covered",
    "divergence": "divergence",
    "overfitting": "an overfitted discriminator",
    "redrawing": "training pictures drawn again",
    "memorisation": "memorisation",  # in runs of version 0.1
    "vanishing": "a generator without a signal",
    "oscillation": "oscillation",
    "useless": "an upscaler no better than bicubic",
}
# What is always looked at, in the order of the report, and how good and bad read.
SIGNS = {
    "diversity": "variety of samples, real pictures' = 1",
    "twins": "samples with a twin",
    "shape_variety": "variety of shapes, real pictures' = 1",
    "colour_variety": "variety of colours, real pictures' = 1",
    "theme_variety": "variety of themes, real pictures' = 1",
    "coverage": "held-out pictures covered",
    "colour_distance": "distance of colours, 0 = none, 1 = nothing in common",
    "overfitting": "D overfitted (r_v), 0 = not, 1 = wholly",
    "source_auc": "layouts like one training picture's, new = 0.5, copies = 1",
    "sourced": "samples that are a training picture drawn again",
    "train_pull": "samples nearer to training than to held-out pictures, new = 0, copies = 1",
    "seed_variety": "variety over seeds of one layout, unlike pictures' = 1",
    "against_bicubic": "error of enlarged pictures, bicubic's = 1",
}
# A run whose samples cover less of the held-out pictures is not called healthy, verdict or not. Good runs had
# .2 to .8 after 5,000 to 10,000 images; one of one shape in many colours ended at .06.
LITTLE_COVERAGE = 0.1


@dataclass(frozen=True)
class Checkup:
    """A run's health as its events tell it. Records are those of `events.jsonl`."""

    images_seen: int
    state: str  # "healthy", "notice", "trouble", or "unknown" where nothing was measured yet
    words: str
    standing: tuple[dict[str, Any], ...]  # verdicts that still hold
    history: tuple[dict[str, Any], ...]  # every verdict, recovery, repair and end, oldest first
    signs: dict[str, float | None]  # of the newest evaluation
    ended: dict[str, Any] | None  # how the run stopped, if it did

    def to_dict(self) -> dict[str, Any]:
        """As plain data, ready for JSON."""
        return asdict(self)


def check_up(run: str | Path) -> Checkup:
    """Read a run's folder. Raises `InputError` where there is no run."""
    return summarise(records_of(run))


def records_of(run: str | Path) -> list[dict[str, Any]]:
    """The events of a run, oldest first. Raises `InputError` where there is no run."""
    path = Path(run) / "events.jsonl"
    if not path.is_file():
        what = "there is no folder" if not Path(run).exists() else "there is no run in"
        raise InputError(f"{what} '{run}'", "give a folder that `impasto train --out` wrote")
    return list(_records(path.read_bytes().splitlines()))


def summarise(records: Iterable[Mapping[str, Any]]) -> Checkup:
    """What the events of a run, oldest first, amount to."""
    standing: dict[str, dict[str, Any]] = {}
    history: list[dict[str, Any]] = []
    signs: dict[str, float | None] = {}
    ended: dict[str, Any] | None = None
    seen = 0
    for record in map(dict, records):
        seen = int(record["images_seen"])
        match record["event"]:
            case "started":
                ended = None
            case "evaluated" | "compared":
                signs = {name: record.get(name) for name in SIGNS if name in record}
            case "measured":
                signs = {name: value for name, value in record["figures"].items() if name in SIGNS}
            case "verdict":
                standing[record["kind"]] = record
            case "recovered":
                standing.pop(record["kind"], None)
            case "repaired":  # the ill stretch is undone; what still holds is told anew
                standing = {}
            case "stopped":
                ended = record
        if record["event"] in ("verdict", "recovered", "repaired"):
            history.append(record)
    return Checkup(
        seen, *_state(standing, signs, ended), tuple(standing.values()), tuple(history), signs, ended
    )


def in_words(record: Mapping[str, Any]) -> str:
    """A verdict, recovery, repair or end in one sentence or two."""
    match record["event"]:
        case "verdict":
            return (
                f"{record['severity'].upper()}: {NAMES[record['kind']]}. {record['evidence']} "
                f"{record['advice']}"
            )
        case "recovered":
            return f"Over: {NAMES[record['kind']]}."
        case "repaired":
            before, after = (_value(record["changed"], record[when]) for when in ("before", "after"))
            return (
                f"REPAIR {record['number']}, for {NAMES[record['kind']]}: back from "
                f"{record['rolled_back_from']:,} to {record['rolled_back_to']:,} images; "
                f"{record['changed']} from {before} to {after}."
            )
        case "stopped":
            return f"Stopped: {record['words']}."
        case other:
            raise ValueError(f"'{other}' says nothing about health")


def _value(changed: str, value: float) -> str:
    return f"+{value:g}" if changed == "augmentation" else f"{value:g} x the config's"


def _state(
    standing: Mapping[str, Mapping[str, Any]], signs: Mapping[str, Any], ended: Mapping[str, Any] | None
) -> tuple[str, str]:
    if ended and ended["condition"] in ("diverged", "unhealthy"):
        return "trouble", f"stopped in trouble: {ended['words']}"
    names = [NAMES[kind] for kind, v in standing.items() if v["severity"] == "trouble"]
    if names:
        return "trouble", f"in trouble: {', '.join(names)}"
    if standing:
        return "notice", f"well enough, but look at: {', '.join(NAMES[kind] for kind in standing)}"
    if not signs:
        return "unknown", "nothing wrong so far, and nothing measured yet"
    covered = signs.get("coverage")
    if covered is not None and covered < LITTLE_COVERAGE:
        return (
            "notice",
            f"no verdict, but the samples cover only {covered:.0%} of the held-out pictures, which is usual "
            "only early in a run",
        )
    return "healthy", "healthy"


def _records(lines: Iterable[bytes]) -> Iterable[dict[str, Any]]:
    for line in lines:
        try:
            record = json.loads(line)
        except ValueError:  # the half line of a killed or still writing process
            continue
        if isinstance(record, dict) and {"event", "images_seen"} <= record.keys():
            yield record
