"""Whether generated pictures are new, or training pictures drawn again.

Rows are pictures, as vectors of one space: pixels at 16 px, or features of a network that no part of the
training saw. Everything is held against held-out pictures, which are new by definition: a generator that
invents is to the training pictures as they are. Frechet distances and precision do not see the difference,
and a copy does well in both; the measures here do not see quality, and noise does well in them.
Read both together.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from impasto.metrics.distances import check_features
from impasto.metrics.diversity import nearest_distances

# The held-out pictures' share of `r` below which a sample is called sourced.
SOURCED_QUANTILE = 0.05
PULL_DRAWS = 20
# `default` of version 0.1, which draws training pictures again, had an AUC of .9 and a share of .53.
REDRAWN_AUC, REDRAWN_SHARE, SURE_ERRORS = 0.62, 0.1, 3.0
# Of the variances that `feature_likelihood_divergence` fits: iterations at most, and when to stop.
FIT_STEPS, FIT_TOLERANCE = 100, 1e-5
# A Gaussian far narrower than this share of the features' own variance stands on a copy, to all purposes.
LEAST_VARIANCE = 1e-6
# Pictures that no Gaussian is near are explained by one broad Gaussian while variances are fitted.
BACKGROUND_SHARE = 1e-3


@dataclass(frozen=True, slots=True)
class Novelty:
    """How new samples are in one space; in brackets what new pictures get, and what copies get."""

    source_auc: float  # (.5, 1): how much more their nearest training picture stands out than new pictures'
    source_auc_error: float  # the standard error of it where there is nothing to see
    sourced_share: float  # (.05, 1): samples whose nearest training picture stands out that much
    sourced_chance: float  # what that share is for new pictures: about .05, more with few held out
    train_pull: float  # (0, see there): how much oftener the nearest real picture is one trained on


def is_redrawn(auc: float, auc_error: float, share: float, chance: float, holdout: int) -> bool:
    """Whether these figures of samples say that many are training pictures drawn again.

    Both the AUC and the sourced share must be more than chance gives by far: by fixed amounts, as with many
    held-out pictures a trifle is no chance, and by standard errors, as with few a lot may be.

    Args:
        auc: `Novelty.source_auc`.
        auc_error: `Novelty.source_auc_error`.
        share: `Novelty.sourced_share`.
        chance: `Novelty.sourced_chance`.
        holdout: How many pictures were held out.
    """
    share_error = math.sqrt(chance * (1 - chance) / max(1, holdout))
    sure = auc > 0.5 + SURE_ERRORS * auc_error and share > chance + SURE_ERRORS * share_error
    return sure and auc > REDRAWN_AUC and share > REDRAWN_SHARE


def novelty(
    fake: Tensor,
    train: Tensor,
    holdout: Tensor,
    generator: torch.Generator,
    of_holdout: Tensor | None = None,
) -> Novelty:
    """All measures of how new samples are.

    Near-duplicates of held-out pictures among the training pictures must have been taken out
    (data/duplicates.py), or real pictures look like copies.

    Args:
        fake: The samples, (N, D).
        train: The pictures that were trained on, (M, D).
        holdout: The pictures that were held out, (K, D).
        generator: Draws the subsets of `train_pull`; on the CPU.
        of_holdout: The held-out pictures' `source_ratios`, (K,). None: they are computed.

    Raises:
        InputError: There are fewer than two training pictures, no samples, or none held out.
    """
    of_fake = source_ratios(fake, train)
    of_holdout = source_ratios(holdout, train) if of_holdout is None else of_holdout
    share, chance = sourced_share(of_fake, of_holdout)
    return Novelty(
        source_auc=source_auc(of_fake, of_holdout),
        source_auc_error=auc_error(len(of_fake), len(of_holdout)),
        sourced_share=share,
        sourced_chance=chance,
        train_pull=train_pull(fake, train, holdout, generator),
    )


def source_ratios(x: Tensor, train: Tensor) -> Tensor:
    """r = d1 / d2 of each row of x (N, D): its distance to the nearest of the training pictures (M, D) over
    that to the second nearest: (N,) in [0, 1].

    Near 1 where no training picture stands out, near 0 where one is the source; 1 where both are at 0.
    """
    d1, d2 = nearest_distances(x, train, 2).unbind(1)
    return torch.where(d2 > 0, d1 / d2.clamp_min(torch.finfo(d2.dtype).tiny), torch.ones_like(d2))


def source_auc(of_fake: Tensor, of_holdout: Tensor) -> float:
    """P[r of a sample < r of a held-out picture], ties counting half: the area under the ROC curve of -r.

    From `source_ratios` (N,), (K,). .5 for new pictures, 1 for copies; below .5 samples lie farther from
    everything than new pictures do, which is no merit.
    """
    below, equal = (
        float(compare(of_fake[:, None], of_holdout[None]).double().mean()) for compare in (torch.lt, torch.eq)
    )
    return below + equal / 2


def auc_error(samples: int, holdout: int) -> float:
    """The standard error of an AUC of .5 (Hanley & McNeil 1982; Mann & Whitney 1947)."""
    return math.sqrt((samples + holdout + 1) / (12 * samples * holdout))


def sourced_share(of_fake: Tensor, of_holdout: Tensor) -> tuple[float, float]:
    """The share of samples whose r is below the held-out pictures' 5th percentile, and what it would be.

    The percentile is an order statistic: of K held-out pictures the one of rank k = max(1, .05 K). As new
    pictures fall below it with probability k / (K + 1), that is what the share would be by chance.
    """
    ranked = of_holdout.sort().values
    rank = max(1, round(SOURCED_QUANTILE * len(ranked)))
    share = float((of_fake < ranked[rank - 1]).double().mean())
    return share, rank / (len(ranked) + 1)


def train_pull(
    fake: Tensor, train: Tensor, holdout: Tensor, generator: torch.Generator, draws: int = PULL_DRAWS
) -> float:
    """2 P[a sample's nearest training picture is nearer than its nearest held-out one] - 1; ties count half.

    A random subset of the training pictures, as large as the held-out set, takes part, anew in each draw. 0
    for new pictures. A copy's own source is in such a subset with probability K / M only, so that copies of
    all training pictures get about that (and 1 where K = M). Where fewer were trained on than held out, all
    take part and a random subset of the held-out pictures.

    Args:
        fake: The samples, (N, D).
        train: The pictures that were trained on, (M, D).
        holdout: The pictures that were held out, (K, D).
        generator: Draws the subsets; on the CPU.
        draws: How many subsets; the result is the mean over them.

    Raises:
        InputError: One of the three sets is empty, or they are not of one D.
    """
    fake, train, holdout = check_features(fake, train, holdout, at_least=1)
    count = min(len(train), len(holdout))
    to_train, to_holdout = torch.cdist(fake, train), torch.cdist(fake, holdout)
    pull = 0.0
    for _ in range(draws):
        nearest = [
            d[:, torch.randperm(d.shape[1], generator=generator)[:count]].amin(1)
            for d in (to_train, to_holdout)
        ]
        pull += float((nearest[1] - nearest[0]).sign().mean())
    return pull / draws


def feature_likelihood_divergence(fake: Tensor, train: Tensor, holdout: Tensor) -> float:
    """FLD (Jiralerspong et al. 2023): how badly samples explain held-out pictures, the less the better.

    Compare with the same of as many real pictures, and of copies.

    Around each sample, fake (N, D), lies an isotropic Gaussian whose variance is fitted so that together they
    explain the training pictures (M, D). A copy gets a variance of nearly 0, and explains nothing that is
    held out. Returns 100 / D times the mean negative log-likelihood of the held-out pictures (K, D), less
    that of one Gaussian with their own mean and variances. Features are scaled to the held-out pictures'
    mean and deviation, as published; variances are fitted by expectation maximisation instead of Adam.
    """
    fake, train, holdout = check_features(fake, train, holdout, at_least=2)
    mean, deviation = holdout.mean(0), holdout.std(0)
    known = deviation > 1e-6 * deviation.max()
    fake, train, holdout = (((x - mean) / deviation)[:, known] for x in (fake, train, holdout))
    dims = fake.shape[1]
    variances = _fit_variances(torch.cdist(train, fake).square(), dims)
    log_likelihood = torch.logsumexp(_log_density(torch.cdist(holdout, fake).square(), variances, dims), 1)
    own = -0.5 * (holdout.square().sum(1) + dims * math.log(2 * math.pi))
    return float(100 / dims * (own - (log_likelihood - math.log(len(fake)))).mean())


def _fit_variances(squared: Tensor, dims: int) -> Tensor:
    """Variances (N,) of Gaussians around N samples that explain M pictures; squared distances (M, N)."""
    variances = squared.amin(0) / dims + LEAST_VARIANCE
    background = torch.full((len(squared), 1), math.log(BACKGROUND_SHARE), dtype=squared.dtype)
    background -= 0.5 * dims * (1 + math.log(2 * math.pi))  # unit variance, about as far as everything is
    before = -math.inf
    for _ in range(FIT_STEPS):
        logs = _log_density(squared, variances, dims) - math.log(squared.shape[1])
        total = torch.logsumexp(torch.cat((logs, background), 1), 1, keepdim=True)
        share = (logs - total).exp()
        weight = share.sum(0)
        fitted = (share * squared).sum(0) / (dims * weight.clamp_min(1e-12))
        # A sample that explains no picture keeps what it had.
        variances = torch.where(weight > 1e-6, fitted, variances).clamp_min(LEAST_VARIANCE)
        likelihood = float(total.mean()) / dims
        if likelihood - before < FIT_TOLERANCE:
            break
        before = likelihood
    return variances


def _log_density(squared: Tensor, variances: Tensor, dims: int) -> Tensor:
    return -0.5 * (squared / variances + dims * torch.log(2 * math.pi * variances))
