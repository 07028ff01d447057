"""Whether pictures are what was asked for: their themes and their colours, between chance and the best.

Themes are named by a linear classifier on the judge's features, fitted to the real pictures that the
generator learned from; its accuracy on held-out real pictures is the ceiling. Colours are compared by
palettes (palettes.py).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from impasto.errors import InputError
from impasto.image.oklab import A_TOUCH, palette_difference, palette_distance
from impasto.metrics.distances import check_features
from impasto.metrics.diversity import density_coverage, precision_recall

PALETTES = 20  # among which the one asked for has to be found
MOST_REAL = 1_000  # real pictures among which the closest to a request is sought
_DECAY = 0.1
_STEPS = 200
_NEIGHBOURS = 5


@dataclass(frozen=True)
class ThemeClassifier:
    """Logits of themes are `(features - mean) / scale @ weights + bias`.

    weights (D, T), bias (T,), mean and scale (D,), all float64 on the CPU.
    """

    weights: Tensor
    bias: Tensor
    mean: Tensor
    scale: Tensor

    def __call__(self, features: Tensor) -> Tensor:
        """(N, D) -> (N,): the likeliest theme of each."""
        (features,) = check_features(features, at_least=1)
        return ((features - self.mean) / self.scale @ self.weights + self.bias).argmax(1)


def fit_classifier(features: Tensor, themes: Tensor, decay: float = _DECAY) -> ThemeClassifier:
    """Multinomial logistic regression of (N, D) features on (N, T) themes of zeros and ones.

    Themes count alike, however many pictures each has; a picture of several is as well one as another.
    `decay` weighs the squared weights. It has one optimum, and nothing is drawn at random.
    Raises `InputError` where fewer than two themes have pictures, or a theme has none.
    """
    (features,) = check_features(features, at_least=2)
    targets = themes.double().cpu()
    counts = targets.sum(0)
    if len(counts) < 2 or not bool((counts > 0).all()):
        raise InputError(
            "a classifier of themes needs two themes or more, each with pictures",
            "the folder has too few themes to measure how they are obeyed",
        )
    some = targets.sum(1) > 0
    features, targets = features[some], targets[some]
    weight = (targets / counts).sum(1, keepdim=True) / len(counts)
    targets = targets / targets.sum(1, keepdim=True)
    mean, scale = features.mean(0), features.std(0).clamp(min=1e-6)
    rows = (features - mean) / scale
    weights = torch.zeros(rows.shape[1], len(counts), dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(len(counts), dtype=torch.float64, requires_grad=True)
    optimizer: Any = torch.optim.LBFGS(  # torch gives its methods no types
        [weights, bias], max_iter=_STEPS, tolerance_grad=1e-7, line_search_fn="strong_wolfe"
    )

    def loss() -> Tensor:
        optimizer.zero_grad()
        misfit = -(weight * targets * (rows @ weights + bias).log_softmax(1)).sum()
        total = misfit + decay * weights.square().sum()
        total.backward()  # type: ignore[no-untyped-call]
        return total

    with torch.enable_grad():
        optimizer.step(loss)
    return ThemeClassifier(weights.detach(), bias.detach(), mean, scale)


@dataclass(frozen=True)
class Accuracy:
    """`accuracy`: of the pictures made for each theme, the share in which it is seen; the mean of all themes.

    `chance` is what the same pictures would get if they were shuffled among the requests. `per_theme` has the
    accuracy of each, None for one that was not asked for.
    """

    accuracy: float
    chance: float
    per_theme: tuple[float | None, ...]


def theme_accuracy(seen: Tensor, asked: Tensor) -> Accuracy:
    """Themes seen in pictures, (N,), against those asked for, (N, T) of zeros and ones.

    A picture is right where the theme seen is one of those asked for. Raises `InputError` where nothing was.
    """
    asked = (asked.cpu() > 0).double()
    counts = asked.sum(0)
    if not bool((counts > 0).any()):
        raise InputError("no theme was asked for", "give each picture that is to be measured a theme")
    right = asked.gather(1, seen.cpu()[:, None])
    by_theme = (asked * right).sum(0) / counts
    lucky = asked @ torch.bincount(seen.cpu(), minlength=asked.shape[1]).double() / len(seen)
    by_chance = (asked * lucky[:, None]).sum(0) / counts
    there = counts > 0
    return Accuracy(
        float(by_theme[there].mean()),
        float(by_chance[there].mean()),
        tuple(float(value) if known else None for value, known in zip(by_theme, there, strict=True)),
    )


@dataclass(frozen=True)
class ThemeReport:
    """How well themes are obeyed: 0 of the way is chance, 1 is as good as real pictures.

    Args:
        accuracy: `Accuracy.accuracy` of the samples.
        chance: `Accuracy.chance` of the samples.
        ceiling: `Accuracy.accuracy` of held-out real pictures.
        share_of_the_way: 0 where `accuracy` is `chance`, 1 where it is `ceiling`.
        per_theme: The accuracy of the samples by theme; None for a theme that was not asked for.
        ceiling_per_theme: The same of the real pictures; None for a theme that none of them has.
        samples: How many samples there were.
        holdout_pictures: How many held-out real pictures there were.
    """

    accuracy: float
    chance: float
    ceiling: float
    share_of_the_way: float
    per_theme: dict[str, float | None]
    ceiling_per_theme: dict[str, float | None]
    samples: int
    holdout_pictures: int

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)


def theme_report(
    classifier: ThemeClassifier,
    names: Sequence[str],
    *,
    fake: Tensor,
    asked: Tensor,
    holdout: Tensor,
    holdout_themes: Tensor,
) -> ThemeReport:
    """How well themes are obeyed by samples, beside held-out real pictures.

    Args:
        classifier: Names the themes of features, fitted to the pictures that the generator learned from.
        names: The T themes, in the order of the columns of `asked`.
        fake: Features of the samples, (N, D).
        asked: The themes that each sample was made for, (N, T) of zeros and ones.
        holdout: Features of held-out real pictures, (K, D).
        holdout_themes: Their themes, (K, T) of zeros and ones.

    Raises:
        InputError: Nothing was asked for, or the ceiling is no better than chance. Then the classifier sees
            nothing in these pictures, and no accuracy says anything.
    """
    made, real = theme_accuracy(classifier(fake), asked), theme_accuracy(classifier(holdout), holdout_themes)
    if real.accuracy <= made.chance:
        raise InputError(
            f"themes cannot be told apart even in real pictures: accuracy {real.accuracy:.2f}, "
            f"by chance {made.chance:.2f}",
            "themes have to differ in what can be seen",
        )
    return ThemeReport(
        accuracy=made.accuracy,
        chance=made.chance,
        ceiling=real.accuracy,
        share_of_the_way=(made.accuracy - made.chance) / (real.accuracy - made.chance),
        per_theme=dict(zip(names, made.per_theme, strict=True)),
        ceiling_per_theme=dict(zip(names, real.per_theme, strict=True)),
        samples=len(fake),
        holdout_pictures=len(holdout),
    )


@dataclass(frozen=True)
class ThemeVariety:
    """How varied the samples of one theme are, measured as in diversity.py.

    Args:
        precision: `precision_recall`'s. None where there are too few pictures or samples.
        recall: `precision_recall`'s. None where there are too few pictures or samples.
        coverage: `density_coverage`'s. None where there are too few pictures or samples.
        real_pictures: How many real pictures of the theme were compared.
        samples: How many samples of the theme were compared.
    """

    precision: float | None
    recall: float | None
    coverage: float | None
    real_pictures: int
    samples: int


def theme_variety(
    names: Sequence[str], *, real: Tensor, themes: Tensor, fake: Tensor, asked: Tensor
) -> dict[str, ThemeVariety]:
    """Whether what obeys is varied too: for each theme its samples against its real pictures, by features.

    Of each theme at most as many samples are used as there are real pictures, or many would reach more of
    them; themes of few pictures look better than they are.

    Args:
        names: The T themes, in the order of the columns of `themes` and `asked`.
        real: Features of real pictures, (M, D).
        themes: Their themes, (M, T) of zeros and ones.
        fake: Features of samples, (N, D).
        asked: The themes that each sample was made for, (N, T) of zeros and ones.

    Returns:
        The figures of each theme by its name. They are None where it has at most five pictures or samples.
    """
    found = {}
    for column, name in enumerate(names):
        figures: tuple[float | None, float | None, float | None] = None, None, None
        own = real[themes[:, column].cpu() > 0]
        made = fake[asked[:, column].cpu() > 0][: len(own)]
        if min(len(own), len(made)) > _NEIGHBOURS:
            likeness, spread = precision_recall(own, made), density_coverage(own, made, _NEIGHBOURS)
            figures = likeness.precision, likeness.recall, spread.coverage
        found[name] = ThemeVariety(*figures, real_pictures=len(own), samples=len(made))
    return found


@dataclass(frozen=True)
class ColourReport:
    """How near the colours are to those asked for: distances in OKLab, means over requests.

    Args:
        delta_e: The distance of a picture's colours from those asked for.
        chance: The same with the pictures shuffled among the requests.
        floor: The same of the real picture which is the nearest to each request.
        retrieval: The share of pictures that are nearer to their own request than to all of 19 others; 0.05
            by chance.
        requests: How many requests were measured.
        real_pictures: Among how many real pictures the nearest one was sought.
    """

    delta_e: float
    chance: float
    floor: float
    retrieval: float
    requests: int
    real_pictures: int

    @property
    def share_of_chance(self) -> float:
        """`delta_e` over `chance`: 0 is perfect, 1 is deaf."""
        return self.delta_e / self.chance

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self) | {"share_of_chance": self.share_of_chance}


def colour_report(
    asked: Tensor, found: Tensor, real: Tensor, generator: torch.Generator, share: float | None = A_TOUCH
) -> ColourReport:
    """How near the colours of pictures are to those asked for, between chance and real pictures.

    Palettes have a row for each colour: three numbers of OKLab, and its share of the picture. Requests for
    nothing are left out.

    Args:
        asked: The colours that were asked for, (N, K, 4).
        found: The palettes of what was made for them, (N, K', 4).
        real: The palettes of real pictures, (M, K'', 4).
        generator: Shuffles the requests, and draws at most 1,000 real pictures; on the CPU.
        share: The share of a picture that each colour asked for must cover (`oklab.palette_distance`). None:
            requests are whole palettes, and what was not asked for counts against a picture too
            (`oklab.palette_difference`).

    Raises:
        InputError: There are fewer than 20 requests, no real picture, or palettes of another shape.
    """
    for name, palettes in (("asked", asked), ("found", found), ("real", real)):
        if palettes.ndim != 3 or palettes.shape[2] != 4:
            raise InputError(f"palettes {name} must be (N, K, 4), not {tuple(palettes.shape)}")
    asked, found, real = (palettes.detach().cpu().double() for palettes in (asked, found, real))
    some = (asked[..., 3] > 0).any(1)
    order = torch.randperm(int(some.sum()), generator=generator)
    if len(order) < PALETTES or not len(real):
        raise InputError(
            f"{len(order)} requests for colours are too few to measure", f"ask for {PALETTES} or more"
        )
    asked, found = asked[some][order], found[some][order]
    real = real[torch.randperm(len(real), generator=generator)[:MOST_REAL]]

    def apart(one: Tensor, other: Tensor) -> Tensor:
        if share is None:
            return palette_difference(one, other)
        return palette_distance(one, other, share)

    own = apart(asked, found)
    shifts = range(1, PALETTES)
    others = torch.stack([apart(asked.roll(shift, 0), found) for shift in shifts])
    nearest = torch.stack([apart(request.expand(len(real), -1, -1), real).argmin() for request in asked])
    return ColourReport(
        delta_e=float(own.mean()),
        chance=float(others.mean()),
        floor=float(apart(asked, real[nearest]).mean()),
        retrieval=float((own < others.amin(0)).double().mean()),
        requests=len(asked),
        real_pictures=len(real),
    )
