"""StackedMNIST (Metz et al. 2017; Srivastava et al. 2017): three random digits as red, green and blue of one
picture make 1,000 modes, and a classifier counts which of them a generator makes."""

import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from impasto.config.shared import Config
from impasto.data.batches import Batches
from impasto.data.cache import Pixels
from impasto.files import cache_folder, replacing
from impasto.image.codec import to_uint8
from impasto.tasks.generation.generator import Generator
from kit.steps import Step, make_step

STACKS = 128_000  # pictures to learn from, as PacGAN (Lin et al. 2018)
MODES, SAMPLES = 1_000, 26_000  # as PacGAN and R3GAN (Huang et al. 2024) count
# The reverse KL that SAMPLES pictures of a perfect generator would have: (modes - 1) / (2 samples).
FLOOR = (MODES - 1) / (2 * SAMPLES)
PUBLISHED = {"R3GAN": (1000, 0.029), "StyleGAN2": (940, 0.42), "WGAN-GP": (959, 0.73), "DCGAN": (99, 3.40)}


def load_digits() -> dict[str, np.ndarray]:
    """MNIST's arrays from `mnist.npz` in the folder that IMPASTO_REALDATA names."""
    path = Path(os.environ.get("IMPASTO_REALDATA", "../shared/data")) / "mnist.npz"
    if not path.is_file():
        raise SystemExit(f"no digits: '{path}' is missing; IMPASTO_REALDATA names the folder of mnist.npz")
    with np.load(path) as arrays:
        return {name: arrays[name] for name in arrays.files}


def to_pictures(digits: np.ndarray) -> Tensor:
    """(B, 28, 28) uint8 -> (B, 32, 32) in [-1, 1]: two black pixels on every side."""
    pictures: Tensor = F.pad(torch.from_numpy(digits), (2, 2, 2, 2)).float() / 127.5 - 1
    return pictures


def stacks(digits: Tensor, count: int, rng: torch.Generator) -> Tensor:
    """(N, 32, 32) single digits -> (count, 3, 32, 32), each colour drawn by itself."""
    return digits[torch.randint(len(digits), (count, 3), generator=rng)]


class Classifier(nn.Sequential):
    """Two convolutions and two fully connected layers: (B, 1, 32, 32) -> (B, 10)."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(1, 16, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(32 * 8 * 8, 128), nn.ReLU(), nn.Linear(128, 10),
        )  # fmt: skip


def train_classifier(arrays: dict[str, np.ndarray], epochs: int = 3) -> tuple[Classifier, float]:
    """A classifier of single digits and its accuracy on the test digits; kept in the cache folder."""
    path = cache_folder() / "benchmarks" / "digits-1.safetensors"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        classifier = Classifier()
    if path.is_file():
        classifier.load_state_dict(load_file(path))
    else:
        digits, labels = to_pictures(arrays["train_images"]), torch.from_numpy(arrays["train_labels"]).long()
        rng = torch.Generator().manual_seed(0)
        steps = epochs * len(digits) // 100
        optimizer = torch.optim.Adam(classifier.parameters(), fused=True)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
        for _ in range(steps):
            chosen = torch.randint(len(digits), (100,), generator=rng)
            loss = F.cross_entropy(classifier(digits[chosen][:, None]), labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        with replacing(path, durable=False) as temporary:
            save_file(classifier.state_dict(), temporary)
    tests, answers = to_pictures(arrays["test_images"]), torch.from_numpy(arrays["test_labels"])
    return classifier, float((read(classifier, tests[:, None])[:, 0] == answers).float().mean())


@torch.no_grad()
def read(classifier: Classifier, stacked: Tensor) -> Tensor:
    """(B, C, 32, 32) in [-1, 1] -> (B, C): the digit in every colour."""
    planes = stacked.flatten(0, 1)[:, None]
    digits = torch.cat([classifier(part).argmax(1) for part in planes.split(1000)])
    return digits.view(stacked.shape[:2])


def score(classifier: Classifier, generator: Generator, count: int = SAMPLES, seed: int = 1) -> dict:
    """Modes with at least one picture of `count`, and KL(generated modes || uniform) in nats."""
    rng, found = torch.Generator().manual_seed(seed), torch.zeros(MODES)
    with torch.no_grad():
        for start in range(0, count, 500):
            z = generator.sample_latents(min(500, count - start), rng)
            found += count_modes(classifier, generator(z).clamp(-1, 1))
    return judge(found)


def count_modes(classifier: Classifier, stacked: Tensor) -> Tensor:
    """(B, 3, 32, 32) -> (1000,): how many pictures of each mode."""
    return torch.bincount(read(classifier, stacked) @ torch.tensor([100, 10, 1]), minlength=MODES).float()


def judge(found: Tensor) -> dict[str, Any]:
    """(1000,) pictures of each mode -> the modes that there are, and KL to equal shares."""
    share = found / found.sum()
    return {"modes": int((found > 0).sum()), "kl": float(torch.xlogy(share, share * MODES).sum())}


def play(
    config: Config,
    digits: Tensor,
    classifier: Classifier,
    seconds: float | None,
    steps: int | None,
    show: Callable[[dict], None],
    show_every: float,
    samples: int = SAMPLES,
) -> dict:
    """Train as `config` says for `seconds` or `steps`; `show` gets a measurement every `show_every` seconds.

    The seconds are those of training: measuring in between does not count.
    """
    real = to_uint8(stacks(digits, STACKS, torch.Generator().manual_seed(config.train.seed + 1)))

    def batches(count: int) -> Batches:
        return Batches(Pixels(real, 32, 3), np.arange(STACKS), count, config.train.seed)

    step = make_step(config, batches)
    state, size = step.state, config.train.batch_size
    rates = (config.optimizer.generator_lr, config.optimizer.discriminator_lr)
    trained, shown = 0.0, 0.0
    while trained < (seconds or math.inf) and state.steps < (steps or math.inf):
        start = time.perf_counter()
        warm = min(1.0, (state.images_seen + size) / max(config.optimizer.warmup_images, 1))
        for (_, optimizer), rate in zip(state.optimizers(), rates, strict=True):
            optimizer.param_groups[0]["lr"] = rate * warm
        step()
        state.steps += 1
        trained += time.perf_counter() - start
        if trained - shown >= show_every:
            shown = trained
            show({**score(classifier, state.average, min(samples, 5_000)), **_progress(step, trained)})
    return {**score(classifier, state.average, samples), **_progress(step, trained)}


def _progress(step: Step, seconds: float) -> dict[str, Any]:
    precision = step.config.train.precision
    return {
        "seconds": seconds,
        "steps": step.state.steps,
        "images_seen": step.state.images_seen,
        "precision": precision,
    }
