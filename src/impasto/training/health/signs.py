"""What an evaluation of a generator says beside the distance: how varied, how new, how D fares."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Signs:
    """What an evaluation says of the samples' variety and of D, beside the distance. JSON-able."""

    diversity: float  # mean distance of two samples in feature space, over that of two real pictures
    twins: float  # share of samples with another sample all but equal
    coverage: float | None  # share of the held-out pictures that samples come near; None for too few
    overfitting: float | None  # r_v; see `overfitting_of`. None where D tells nothing apart
    overfitting_error: float  # its standard error
    holdout: int  # held-out pictures that all this rests on
    place: tuple[float, ...]  # the mean features, in `DIRECTIONS`, in units of the real pictures' deviation
    colour: tuple[float, ...]  # the mean colour, each in [0, 1]
    # Effective numbers, real pictures' being 1 (metrics/variety.py). None where real pictures hardly differ
    # in it, where there are no themes, and in evaluations of version 0.1.
    shape_variety: float | None = None
    colour_variety: float | None = None
    theme_variety: float | None = None
    top_theme: str = ""  # the theme that most samples look like; "" without themes
    top_theme_share: float = 0.0
    colour_distance: float | None = None  # see `colour_distance`; None in evaluations of version 0.1
    # How new the layouts are (metrics/novelty.py). None in evaluations of version 0.1.
    source_auc: float | None = None
    source_auc_error: float = 0.0
    sourced: float | None = None  # share of samples that are a training picture drawn again
    sourced_chance: float = 0.0  # what that share would be for new pictures
    train_pull: float | None = None

    @classmethod
    def of(cls, values: dict[str, Any]) -> "Signs":
        """From what `dataclasses.asdict` gave, JSON in between; older states have other fields."""
        known = {name: values[name] for name in cls.__dataclass_fields__ if name in values}
        return cls(**{**known, "place": tuple(values["place"]), "colour": tuple(values["colour"])})

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)
