"""An upscaler in training: how it is measured, and what a run shows of itself."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from impasto.config.shared import Config
from impasto.config.upscaling import RestorationConfig, UpscalingConfig
from impasto.image.codec import to_tensor, to_uint8
from impasto.image.files import grid, save
from impasto.metrics.fidelity import feature_distance, luma, psnr, shaved, ssim
from impasto.nn.compact import Upscaler
from impasto.nn.features import FeatureMaps
from impasto.nn.frozen import FrozenMaps
from impasto.tasks.upscaling.degradations import bicubic, pair_of
from impasto.tasks.upscaling.step import upscale_step
from impasto.training.game import StepStats
from impasto.training.logging.events import Compared
from impasto.training.state import TrainingState
from impasto.training.task import picture_tensor

MOST_COMPARED = 24  # held-out pictures, the middles of them: seconds for minutes of training
COMPARED_PX = 256
MOST_DECIBELS = 100.0  # of a picture of one colour, which comes back without any error
SHOWN, SHOWN_PX = 4, 192


@dataclass
class UpscalerLearner:
    """See `task.Learner`."""

    fabric: Fabric
    evaluator: "UpscalerEvaluator"
    features: FrozenMaps | None  # of the feature loss

    def tensor(self, rows: NDArray[Any], device: torch.device) -> Tensor:
        """Windows of pictures in [-1, 1]."""
        return picture_tensor(rows, device)

    def step(self, state: TrainingState, config: Config, next_batch: Callable[[], Tensor]) -> StepStats:
        """G learns once, and D if it plays yet."""
        config = cast(UpscalingConfig, config)
        loss = config.loss.at_size(config.image.size)
        return upscale_step(self.fabric, state, next_batch, loss, config.restoration, self.features)

    def show(self, state: TrainingState, folder: Path) -> Path:
        """Held-out windows: as given, bicubic, enlarged by the network, and as they were."""
        path = folder / f"{state.images_seen:010}.png"
        save(self.evaluator.sheet(average(state)), path, metadata={"images_seen": str(state.images_seen)})
        return path

    def measure(self, state: TrainingState) -> "Comparison":
        """Fidelity to the hold-out."""
        return self.evaluator.measure(average(state))

    def kept(self, state: TrainingState) -> Upscaler:
        """The deployed form: the same function in fewer numbers."""
        with torch.random.fork_rng(devices=[]):  # building draws weights that are thrown away
            return average(state).deployed()


@dataclass(frozen=True)
class Comparison:
    """Enlarged held-out pictures against the sharp ones: means over the pictures."""

    distance: float  # what decides: error_levels, or feature_distance where a game or features weigh
    psnr: float  # dB, of luma
    ssim: float
    consistency: float  # dB, of the picture made small again to what was given
    feature_distance: float
    bicubic_psnr: float  # what bicubic gets on the same
    bicubic_feature_distance: float
    against_bicubic: float  # `distance`, bicubic's being 1
    pictures: int

    def record(self) -> dict[str, Any]:
        """For the training state."""
        figures = {
            "PSNR-Y of the hold-out, dB": round(self.psnr, 3),
            "PSNR-Y of bicubic, dB": round(self.bicubic_psnr, 3),
            "SSIM-Y": round(self.ssim, 4),
            "consistency with what was given, dB": round(self.consistency, 2),
            "distance in features": round(self.feature_distance, 5),
            "distance of bicubic": round(self.bicubic_feature_distance, 5),
            "hold-out pictures": self.pictures,
        }
        return {
            "distance": self.distance,
            "against_bicubic": self.against_bicubic,
            "figures": figures,
        }

    def event(self, images_seen: int, best: bool) -> Compared:
        """For whoever watches."""
        return Compared(images_seen, **asdict(self), best=best)


class UpscalerEvaluator:
    """Holds held-out windows, sharp and made small; compares what a network makes of these with those.

    The same degradations every time, so that a figure moves because the network does.

    Args:
        holdout: Held-out windows, (K, S, S, 3) uint8, or (K, S, S, 6) with their low-resolution pictures.
        scale: How many times the network enlarges.
        cfg: Says how windows are made small. If features or the game have weight, the distance is one in
            features, else the error in luma.
        device: Holds the windows and computes the figures.
    """

    def __init__(
        self, holdout: NDArray[np.uint8], scale: int, cfg: RestorationConfig, device: torch.device
    ) -> None:
        rng = torch.Generator().manual_seed(0)
        side = holdout.shape[1] - holdout.shape[1] % (2 * scale)
        pairs = [
            pair_of(to_tensor(picture[None, :side, :side]), scale, cfg.degradation, rng)
            for picture in holdout
        ]
        self._low = torch.cat([low for low, _ in pairs]).to(device)
        self._sharp = torch.cat([sharp for _, sharp in pairs]).to(device)
        self._scale, self._by_features = scale, bool(cfg.features or cfg.adversarial)
        self._net = FeatureMaps().to(device)
        self._bicubic = F.interpolate(self._low, scale_factor=scale, mode="bicubic").clamp(-1, 1)
        errors = self._psnr(self._bicubic)
        self._bicubic_psnr = errors.mean()
        self._bicubic_distance = self._distance(self._bicubic).mean()
        self._bicubic_level = float(error_levels(errors).mean())

    @torch.no_grad()
    def measure(self, network: Upscaler) -> Comparison:
        """All of the held-out windows."""
        made = self._enlarge(network, len(self._low))
        errors = self._psnr(made)
        shape = tuple(self._low.shape[-1:])
        again = bicubic(made, *shape)
        apart = float(self._distance(made).mean())
        level = float(error_levels(errors).mean())
        distance, bicubic_distance = level, self._bicubic_level
        if self._by_features:
            distance, bicubic_distance = apart, float(self._bicubic_distance)
        return Comparison(
            distance=distance,
            against_bicubic=distance / max(bicubic_distance, 1e-9),
            psnr=float(errors.mean()),
            ssim=float(ssim(*(luma(shaved(x, self._scale)) for x in (made, self._sharp))).mean()),
            consistency=float(psnr(luma(again), luma(self._low)).clamp(max=MOST_DECIBELS).mean()),
            feature_distance=apart,
            bicubic_psnr=float(self._bicubic_psnr),
            bicubic_feature_distance=float(self._bicubic_distance),
            pictures=len(self._low),
        )

    @torch.no_grad()
    def sheet(self, network: Upscaler) -> NDArray[np.uint8]:
        """A row for each of a few windows: nearest, bicubic, the network's, the sharp one: uint8."""
        made = self._enlarge(network, SHOWN)
        nearest = F.interpolate(self._low[:SHOWN], scale_factor=self._scale, mode="nearest")
        columns = (nearest, self._bicubic[:SHOWN], made, self._sharp[:SHOWN])
        side = min(SHOWN_PX, made.shape[-1])
        start = (made.shape[-1] - side) // 2
        middles = [x[:, :, start : start + side, start : start + side] for x in columns]
        rows = torch.stack(middles, 1).flatten(0, 1)
        return grid(to_uint8(rows), columns=len(columns))

    def _enlarge(self, network: Upscaler, count: int) -> Tensor:
        """(count, 3, S, S), clamped to [-1, 1] as a file would."""
        return torch.cat([network(low[None]).float().clamp(-1, 1) for low in self._low[:count]])

    def _psnr(self, made: Tensor) -> Tensor:
        decibels = psnr(*(luma(shaved(x, self._scale)) for x in (made, self._sharp)))
        return decibels.clamp(max=MOST_DECIBELS)

    @torch.no_grad()
    def _distance(self, made: Tensor) -> Tensor:
        pairs = zip(made, self._sharp, strict=True)
        return torch.cat([feature_distance(self._net, a[None], b[None]) for a, b in pairs])


def error_levels(decibels: Tensor) -> Tensor:
    """Root mean square errors, in levels of 8 bits, of so many dB."""
    levels: Tensor = 255 * 10 ** (-decibels / 20)
    return levels


def average(state: TrainingState) -> Upscaler:
    """The upscaler with averaged weights."""
    return cast(Upscaler, state.average)
