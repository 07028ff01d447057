"""The adversarial game with points of a plane in place of pictures: small enough to be watched live.

Two perceptrons, and the losses and penalties that pictures are trained with. Randomness is the game's own:
the same rules and the same number of steps give the same points.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Literal

import torch
from torch import Tensor, nn

from impasto.config.shared import LossConfig
from impasto.metrics.colour import energy_distance
from impasto.nn.losses.adversarial import discriminator_loss, generator_compares, generator_loss
from impasto.nn.losses.penalties import penalties

Kind = Literal["textbook", "minimax", "wasserstein-gp", "relativistic", "relativistic-r1-r2"]
Shape = Literal["ring", "grid", "pair"]

BATCH, LATENT, WIDTH = 128, 8, 64
LOOK_EVERY = 25  # steps
LOOKED_AT = 256  # points
DEVIATION, GOOD = 0.05, 4.0  # of a clump; a point is good within so many of them
FOUND = 3  # good points, at least, before a clump counts as found
SIDE = 1.5  # the plane is looked at from -SIDE to SIDE
SURFACE = 32  # cells along a side of D's surface
HIGHEST_LR = 0.1


def loss_of(kind: Kind) -> LossConfig:
    """The game of that name, with weights for a plane whose points lie within 1 of its middle."""
    match kind:
        case "textbook":
            return LossConfig(adversarial="non-saturating")
        case "minimax":
            return LossConfig(adversarial="minimax")
        case "wasserstein-gp":
            return LossConfig(adversarial="wasserstein", gradient_penalty_weight=1.0)
        case "relativistic":
            return LossConfig(adversarial="relativistic")
        case "relativistic-r1-r2":
            return LossConfig(adversarial="relativistic", r1_weight=0.05, r2_weight=0.05)


def centres(shape: Shape) -> Tensor:
    """(M, 2): the middles of the clumps that the real points lie in."""
    match shape:
        case "ring":
            angles = torch.arange(8) * (2 * math.pi / 8)
            return torch.stack((angles.cos(), angles.sin()), 1)
        case "grid":
            line = torch.tensor([-1.0, 0.0, 1.0])
            return torch.cartesian_prod(line, line)
        case "pair":
            return torch.tensor([[-0.8, 0.0], [0.8, 0.0]])


@dataclass(frozen=True)
class Rules:
    """How a game is played. Raises `ValueError` for learning rates out of (0, `HIGHEST_LR`]."""

    kind: Kind = "textbook"
    shape: Shape = "ring"
    generator_lr: float = 1e-3
    discriminator_lr: float = 1e-3
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("generator_lr", "discriminator_lr"):
            if not 0 < getattr(self, name) <= HIGHEST_LR:
                raise ValueError(f"{name} must be above 0 and at most {HIGHEST_LR}")


@dataclass(frozen=True)
class Look:
    """How a game stood after so many steps. Losses are means since the look before."""

    step: int
    generator_loss: float
    discriminator_loss: float
    accuracy: float  # share of pairs, one real and one generated, that D puts in order; 0.5 is guessing
    distance: float  # energy distance between generated and real points
    found: int  # clumps with at least `FOUND` good points
    good: float  # share of generated points in a clump
    spread: float  # of the generated points, over that of the real ones
    middle: tuple[float, float]  # of the generated points


@dataclass
class Game:
    """A game as it stands. `play` goes on with it; rules may change between two calls."""

    rules: Rules
    step: int = 0
    looks: list[Look] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._rng = torch.Generator().manual_seed(self.rules.seed)
        with torch.random.fork_rng(devices=[]):  # layers draw their first weights from the global generator
            torch.manual_seed(self.rules.seed)
            self.G, self.D = _perceptron(LATENT, 2), _perceptron(2, 1)
        self._update_G, self._update_D = (
            torch.optim.Adam(network.parameters(), betas=(0.5, 0.999)) for network in (self.G, self.D)
        )
        self._centres = centres(self.rules.shape)
        self._fixed = torch.randn(LOOKED_AT, LATENT, generator=self._rng)
        self.real = self.real_points(LOOKED_AT)
        self._sums = torch.zeros(3)

    def real_points(self, count: int) -> Tensor:
        """(count, 2) real points, drawn anew."""
        clump = torch.randint(len(self._centres), (count,), generator=self._rng)
        return self._centres[clump] + DEVIATION * torch.randn(count, 2, generator=self._rng)

    def change(self, rules: Rules) -> None:
        """Go on by other rules with the same networks. The shape and the seed stay those it began with."""
        self.rules = rules

    def play(self, steps: int) -> None:
        """So many rounds: one update of D and one of G (Goodfellow et al. 2014, algorithm 1)."""
        loss = loss_of(self.rules.kind)
        for optimizer, lr in (
            (self._update_G, self.rules.generator_lr), (self._update_D, self.rules.discriminator_lr),
        ):  # fmt: skip
            for group in optimizer.param_groups:
                group["lr"] = lr
        for _ in range(steps):
            real = self.real_points(BATCH).requires_grad_()
            fake = self.G(torch.randn(BATCH, LATENT, generator=self._rng)).detach().requires_grad_()
            real_logits, fake_logits = self._judge(real), self._judge(fake)
            d_loss = discriminator_loss(loss.adversarial, real_logits, fake_logits).mean()
            held = penalties(self._judge, real, fake, real_logits, fake_logits, loss, self._rng).weighted(
                loss
            )
            _descend(d_loss + held, self._update_D)

            fake = self.G(torch.randn(BATCH, LATENT, generator=self._rng))
            fake_logits = self._judge(fake)
            compares = generator_compares(loss.adversarial)
            real_again = self._judge(self.real_points(BATCH)) if compares else fake_logits
            g_loss = generator_loss(loss.adversarial, real_again, fake_logits).mean()
            _descend(g_loss, self._update_G)

            self.step += 1
            above = (real_logits[:, None] > fake_logits).float().mean()
            self._sums += torch.stack((g_loss.detach(), d_loss.detach(), above))
            if self.step % LOOK_EVERY == 0:
                self.looks.append(self._look())

    @torch.no_grad()
    def generated_points(self) -> Tensor:
        """(LOOKED_AT, 2): always of the same noise."""
        points: Tensor = self.G(self._fixed)
        return points

    @torch.no_grad()
    def surface(self) -> Tensor:
        """(SURFACE, SURFACE) in [0, 1]: how much more real D finds each place of the plane than the middle
        between the real and the generated points, top row first. 0.5 is where it cannot tell."""  # fmt: skip
        line = (torch.arange(SURFACE) + 0.5) / SURFACE * 2 * SIDE - SIDE
        y, x = torch.meshgrid(line.flip(0), line, indexing="ij")
        logits = self._judge(torch.stack((x, y), 2).view(-1, 2)).view(SURFACE, SURFACE)
        real, fake = self._judge(self.real), self._judge(self.generated_points())
        # Some losses leave the zero of the logits undetermined: it is put between the two, as in training.
        return torch.sigmoid(logits - (real.mean() + fake.mean()) / 2)

    @torch.no_grad()
    def _look(self) -> Look:
        g_loss, d_loss, accuracy = (self._sums / LOOK_EVERY).tolist()
        self._sums = torch.zeros(3)
        points = self.generated_points()
        finite = bool(torch.isfinite(points).all())
        apart = torch.cdist(points, self._centres)
        good = apart.amin(1) < GOOD * DEVIATION
        counts = torch.bincount(apart.argmin(1)[good], minlength=len(self._centres))
        return Look(
            self.step, g_loss, d_loss, accuracy,
            distance=energy_distance(self.real, points) if finite else math.nan,
            found=int((counts >= FOUND).sum()),
            good=float(good.float().mean()),
            spread=float(_deviation(points) / _deviation(self.real)),
            middle=(float(points[:, 0].mean()), float(points[:, 1].mean())),
        )  # fmt: skip

    def _judge(self, points: Tensor) -> Tensor:
        """Logits (B,) of points (B, 2)."""
        logits: Tensor = self.D(points).squeeze(1)
        return logits


def _perceptron(inputs: int, outputs: int) -> nn.Sequential:
    middle = [nn.Linear(inputs, WIDTH), nn.LeakyReLU(0.2), nn.Linear(WIDTH, WIDTH), nn.LeakyReLU(0.2)]
    return nn.Sequential(*middle, nn.Linear(WIDTH, outputs))


def _descend(loss: Tensor, optimizer: torch.optim.Optimizer) -> None:
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()


def _deviation(points: Tensor) -> Tensor:
    return points.var(0).sum().sqrt()


State = Literal["beginning", "under way", "converged", "oscillating", "collapsed", "diverged"]

# The bounds lie between what games that end well and badly showed: five losses, four pairs of rates each.
GRACE = 12  # looks: an untrained generator makes one point over and over, which is what a collapse looks like
LATELY = 16  # looks that the present is judged by; the last half of them where it should not lag
# Games that went well ended with a spread between 0.8 and 1.1, others at 0.05 to 0.25.
LITTLE_SPREAD, WILD_SPREAD = 0.3, 5.0
LOST = 0.5  # a smaller share of the clumps than this is a collapse
NEAR = 0.025  # energy distance; games that went well ended at 0.000 to 0.015
# Mean move of the middle between two looks: at most 0.12 in good games, 0.28 to 1.7 in bad ones.
SWINGING = 0.2
BACK = 0.35  # net way over the way gone: below it, the middle goes to and fro


@dataclass(frozen=True)
class Verdict:
    """What a game is doing, and the figures that say so, by the names that the page's texts use."""

    state: State
    evidence: dict[str, float]


def judge(looks: Sequence[Look], shape: Shape) -> Verdict:
    """What a game is doing: a pure function of how it stood, oldest first."""
    if not looks:
        return Verdict("beginning", {"step": 0.0})
    now, lately, just_now = looks[-1], looks[-LATELY:], looks[-LATELY // 2 :]
    step = {"step": float(now.step)}
    if not math.isfinite(now.spread) or not math.isfinite(now.distance) or now.spread > WILD_SPREAD:
        return Verdict("diverged", step | {"spread": now.spread})
    if len(looks) < GRACE:
        return Verdict("beginning", step)
    clumps = len(centres(shape))
    path, net = _way(lately)
    mean_move = path / (len(lately) - 1)
    found, distance = (fmean(getattr(look, name) for look in just_now) for name in ("found", "distance"))
    spread = fmean(look.spread for look in just_now)
    figures = step | {
        "found": float(now.found), "clumps": float(clumps), "good": now.good, "distance": distance,
        "spread": spread, "move": mean_move, "net": net, "looks": float(len(lately)),
    }  # fmt: skip
    if spread < LITTLE_SPREAD or (now.good > 0.5 and found < LOST * clumps):
        return Verdict("collapsed", figures)
    if mean_move > SWINGING and net < BACK * path:
        return Verdict("oscillating", figures)
    if distance < NEAR and found > clumps - 0.5:
        return Verdict("converged", figures)
    return Verdict("under way", figures)


def _way(looks: Sequence[Look]) -> tuple[float, float]:
    """How far the middle of the generated points went, and how far it is from where it was then."""
    steps = [math.dist(one.middle, two.middle) for one, two in itertools.pairwise(looks)]
    return sum(steps), math.dist(looks[0].middle, looks[-1].middle)
