"""A translator in training: how it is measured, and what a run shows of itself."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from impasto.config.shared import Config
from impasto.config.translation import LayoutConfig, TranslationConfig
from impasto.data.layouts import palette_of
from impasto.image.codec import to_tensor, to_uint8
from impasto.image.files import grid, save
from impasto.image.labels import paint
from impasto.nn.frozen import FrozenMaps
from impasto.tasks.translation.evaluation import Comparison, PairJudge
from impasto.tasks.translation.step import TranslationStep
from impasto.tasks.translation.translators import TranslatingNetwork
from impasto.training.game import StepStats
from impasto.training.logging.events import Measured
from impasto.training.state import TrainingState

SHOWN = 6
SHOWN_SEEDS = range(4)

Pixels = NDArray[np.uint8]


@dataclass
class TranslatorLearner:
    """See `task.Learner`."""

    fabric: Fabric
    layout: LayoutConfig
    features: FrozenMaps | None  # of the feature loss
    holdout: Pixels  # (N, S, S, L + 3)
    shown: Pixels  # of the sheet, likewise

    def __post_init__(self) -> None:
        self._judge: PairJudge | None = None

    def tensor(self, rows: NDArray[Any], device: torch.device) -> Tensor:
        """Pairs (B, H, W, L + 3) uint8 -> picture and layout (B, 3 + L, H, W), channels last."""
        picture, layout = (
            to_tensor(rows[..., -3:], device),
            layout_tensor(rows[..., :-3], self.layout, device),
        )
        return torch.cat((picture, layout), 1).contiguous(memory_format=torch.channels_last)

    def step(self, state: TrainingState, config: Config, next_batch: Callable[[], Tensor]) -> StepStats:
        """D learns once, then G."""
        step = TranslationStep(self.fabric, state, cast(TranslationConfig, config), self.features)
        return step(next_batch())

    def show(self, state: TrainingState, folder: Path) -> Path:
        """Held-out pairs: layout, real picture, and what four seeds make of the layout."""
        path = folder / f"{state.images_seen:010}.png"
        columns = [self.drawn(self.shown), self.shown[..., -3:]]
        made = [self.translate(state, self.shown[i : i + 1], SHOWN_SEEDS) for i in range(len(self.shown))]
        columns += list(np.stack([to_uint8(pictures) for pictures in made], 1))
        rows = np.stack(columns, 1).reshape(-1, *columns[0].shape[1:])
        save(grid(rows, columns=len(columns)), path, metadata={"images_seen": str(state.images_seen)})
        return path

    def measure(self, state: TrainingState) -> "Evaluation":
        """Translations of held-out layouts against their real pictures."""
        if self._judge is None:
            self._judge = PairJudge(np.ascontiguousarray(self.holdout[..., -3:]), self.fabric.device)
        return Evaluation(
            self._judge.compare(lambda i, seeds: self.translate(state, self.holdout[i : i + 1], seeds))
        )

    def kept(self, state: TrainingState) -> TranslatingNetwork:
        """The averaged network as it is."""
        return cast(TranslatingNetwork, state.average)

    def translate(self, state: TrainingState, row: Pixels, seeds: Sequence[int]) -> Tensor:
        """The layout of one pair (1, S, S, L + 3) by each seed: (seeds, 3, S, S) in [-1, 1]."""
        return translate_rows(self.kept(state), row, seeds, self.layout, self.fabric.device)

    def drawn(self, rows: Pixels) -> Pixels:
        """The layouts of pairs (B, S, S, L + 3) as pictures (B, S, S, 3)."""
        return paint(rows[..., 0], palette_of(self.layout)) if self.layout.labels else rows[..., :3]


@dataclass(frozen=True)
class Evaluation:
    """See `task.Measurement`. KID-lite0 decides which model is the best."""

    found: Comparison

    @property
    def distance(self) -> float:
        """KID-lite0 of translations to the held-out pictures."""
        return self.found.kid

    def record(self) -> dict[str, Any]:
        """For the training state."""
        return {"distance": self.distance, "figures": self.found.figures()}

    def event(self, images_seen: int, best: bool) -> Measured:
        """For whoever watches."""
        found = self.found
        words = (
            f"hold-out KID-lite0 {found.kid:.4f}, distance in features {found.to_truth:.4f} (of another "
            f"picture {found.to_another:.4f}), variety over seeds {found.seed_variety:.2f}"
        )
        numbers = {name: float(value) for name, value in found.to_dict().items()}
        return Measured(images_seen, "KID-lite0", self.distance, words, numbers, best)


@torch.no_grad()
def translate_rows(
    network: TranslatingNetwork, row: Pixels, seeds: Sequence[int], layout: LayoutConfig, device: torch.device
) -> Tensor:
    """The layout of one pair by each seed: (seeds, 3, S, S) in [-1, 1].

    Args:
        network: The translator.
        row: The pair, (1, S, S, L + 3) uint8, S a multiple of the network's.
        seeds: The seeds.
        layout: What the layouts are.
        device: The network's device.
    """
    given = layout_tensor(row[..., :-3], layout, device).contiguous(memory_format=torch.channels_last)
    return torch.cat([network(given, latent_of(seed, network).to(given)).float() for seed in seeds])


def latent_of(seed: int, network: TranslatingNetwork) -> Tensor:
    """The latent of a seed, (1, latent_dim) from N(0, I): the same alone or among others."""
    return torch.randn(1, network.latent_dim, generator=torch.Generator().manual_seed(seed))


def layout_tensor(rows: NDArray[Any], layout: LayoutConfig, device: torch.device | None = None) -> Tensor:
    """Layouts (B, H, W, 1) of label numbers or (B, H, W, 3) of colours -> what networks see, (B, L, H, W)."""
    if not layout.labels:
        return to_tensor(np.ascontiguousarray(rows), device)
    numbers = torch.from_numpy(rows[..., 0].astype(np.int64)).to(device)
    return F.one_hot(numbers, len(layout.labels)).permute(0, 3, 1, 2).float()
