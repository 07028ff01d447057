"""Everything that resuming needs, in one dataclass.

The theorem it serves: `run(20)` equals `resume(run(10), 10)`, tensor for tensor, on one CPU with the same
number of threads.
"""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from impasto import __version__
from impasto.config.reading import TREES
from impasto.config.shared import Config, EmaConfig, OptimizerConfig, TrainConfig
from impasto.data.batches import Batches
from impasto.errors import CheckpointError
from impasto.nn import draws
from impasto.nn.discriminator import Discriminator
from impasto.nn.layers import Recomputing
from impasto.training import checkpoints
from impasto.training.checkpoints import (
    load_state,
    load_weights,
    save_state,
)
from impasto.training.distributed import ranks, shared_norm
from impasto.training.health.statistics import RunningStats
from impasto.training.muon import Muon
from impasto.training.ranking import best_of

STATE_FILE = "state.safetensors"


@dataclass
class TrainingState:
    """Networks, optimizers, randomness, the place in the data, and what was measured so far."""

    generator: nn.Module  # a `Generator`, or an `Upscaler`
    discriminator: Discriminator
    average: nn.Module  # the generator with averaged weights: the one that is shown, measured and kept
    generator_optimizer: Optimizer
    discriminator_optimizer: Optimizer
    batches: Batches
    rng: torch.Generator
    images_seen: int = 0
    steps: int = 0
    seconds: float = 0.0
    evaluations: list[dict[str, Any]] = field(default_factory=list)
    balance: dict[str, float] = field(default_factory=dict)  # see stopping.update_balance
    running_stats: RunningStats = field(default_factory=RunningStats)
    standing: dict[str, str] = field(default_factory=dict)  # verdicts that were told and still hold: severity
    repairs: list[dict[str, Any]] = field(default_factory=list)  # see repairs.py, as all that follow
    healthy: list[str] = field(default_factory=list)  # the snapshots to roll back to, oldest first
    threads: int | None = None  # that computed last, on a CPU: with another count the last digits may differ
    # Rows of the last real pictures, which generated ones are compared with (modulated_step.py).
    recent: dict[str, Tensor] = field(default_factory=dict)
    record: dict[str, Any] | None = None  # the best evaluation of the stretches that were rolled back

    @property
    def best(self) -> dict[str, Any] | None:
        """The best evaluation (ranking.py), if there is one."""
        found = best_of([*([self.record] if self.record else []), *self.evaluations])
        return None if found is None else dict(found)

    def modules(self) -> Iterator[tuple[str, nn.Module]]:
        """The networks by name."""
        yield "generator", self.generator
        yield "discriminator", self.discriminator
        yield "average", self.average

    def optimizers(self) -> Iterator[tuple[str, Optimizer]]:
        """The optimizers by name."""
        yield "generator_optimizer", self.generator_optimizer
        yield "discriminator_optimizer", self.discriminator_optimizer


def create_state(
    build: Callable[[Config], tuple[nn.Module, Discriminator]],
    config: Config,
    batches: Batches,
    fabric: Fabric,
) -> TrainingState:
    """A state before the first step; everything random in it follows from `config.train.seed`.

    Args:
        build: Builds both networks, as `Task.build` does.
        config: Config of the run.
        batches: Batches to learn from, of this process.
        fabric: Moves networks and optimizers to the device and sets them up.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.train.seed)
        generator, discriminator = build(config)
    save_memory(generator, config.train)
    shared_norm.synchronise(generator)
    shared_norm.synchronise(discriminator)
    average = copy.deepcopy(generator).eval().requires_grad_(False)
    for module in (generator, discriminator, average):
        # Channels last: 1.4 times the pictures per second on a CPU, the tensor cores' own layout on a GPU.
        module.to(device=fabric.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    g_optimizer = make_generator_optimizer(generator, config)
    d_optimizer = make_adam(discriminator, config.optimizer, config.optimizer.discriminator_lr)
    fabric_generator, fabric_g_optimizer = fabric.setup(generator, g_optimizer)
    fabric_discriminator, fabric_d_optimizer = fabric.setup(discriminator, d_optimizer)
    return TrainingState(
        generator=cast(nn.Module, fabric_generator),
        discriminator=cast(Discriminator, fabric_discriminator),
        average=average,
        generator_optimizer=cast(Optimizer, fabric_g_optimizer),
        discriminator_optimizer=cast(Optimizer, fabric_d_optimizer),
        batches=batches,
        rng=draws.shared(config.train.seed, ranks.rank(), ranks.world_size()),
    )


def save_memory(generator: nn.Module, cfg: TrainConfig) -> None:
    """Let a generator that can compute twice what it would keep, or not, as the config says now."""
    for module in generator.modules():
        if isinstance(module, Recomputing):
            module.recomputes = bool(cfg.recompute)


def make_generator_optimizer(generator: nn.Module, config: Config) -> Optimizer:
    """Adam or Muon, as the config says; Muon's products in the precision that the networks train in."""
    cfg = config.optimizer
    if cfg.generator == "muon":
        dtype = torch.bfloat16 if config.train.precision == "bfloat16" else torch.float32
        return Muon(generator.parameters(), lr=cfg.generator_lr, betas=(cfg.beta1, cfg.beta2), dtype=dtype)
    return make_adam(generator, cfg, cfg.generator_lr)


def make_adam(module: nn.Module, cfg: OptimizerConfig, lr: float) -> Adam:
    """Adam over all of a network's weights (Kingma & Ba 2015), in one fused loop."""
    return Adam(module.parameters(), lr=lr, betas=(cfg.beta1, cfg.beta2), fused=True)


def update_average(state: TrainingState, cfg: EmaConfig, images: int) -> None:
    """Move the averaged generator towards the present one, `images` pictures further on.

    Half-life = min(halflife_images, ramp x images seen): early averages forget the noise they began with
    (Karras et al. 2024, appendix B). A half-life of 0 copies.
    """
    halflife = min(cfg.halflife_images, cfg.ramp * state.images_seen)
    keep = 0.5 ** (images / halflife) if halflife > 0 else 0.0
    with torch.no_grad():
        weights = [p.detach() for p in state.generator.parameters()]
        torch._foreach_lerp_(list(state.average.parameters()), weights, 1 - keep)
        # Batch norm's statistics are averaged with the weights: those of the newest weights do not fit them.
        for target, source in zip(state.average.buffers(), state.generator.buffers(), strict=True):
            if source.is_floating_point():
                target.lerp_(source, 1 - keep)
            else:
                target.copy_(source)


def save(state: TrainingState, path: Path, config: Config, fingerprint: str) -> None:
    """Write a training state to one file.

    Args:
        state: The state.
        path: The file. It is replaced as a whole.
        config: Config of the run, saved with the state.
        fingerprint: Fingerprint of the data that the run learns from. `restore` compares it.
    """
    tensors: dict[str, Tensor] = {"rng": state.rng.get_state()}
    for name, module in state.modules():
        tensors |= {f"{name}/{key}": t for key, t in module.state_dict().items()}
    for name, optimizer in state.optimizers():
        for index, slots in optimizer.state_dict()["state"].items():
            tensors |= {f"{name}/{index}/{slot}": torch.as_tensor(t) for slot, t in slots.items()}
    tensors |= {f"recent/{name}": t for name, t in state.recent.items()}
    values = {
        "impasto_version": __version__,
        "config": config.model_dump(mode="json"),
        "fingerprint": fingerprint,
        "batches": state.batches.state_dict(),
        "images_seen": state.images_seen,
        "steps": state.steps,
        "seconds": state.seconds,
        "evaluations": state.evaluations,
        "balance": state.balance,
        "vitals": asdict(state.running_stats),
        "standing": state.standing,
        "repairs": state.repairs,
        "healthy": state.healthy,
        "record": state.record,
        "threads": state.threads,
    }
    save_state(path, tensors, values)


def saved_config(path: Path, trees: Mapping[str, type[Config]] = TREES) -> Config:
    """The config that the state was saved with. Raises `CheckpointError`."""
    return _config_of(load_state(path)[1], path, trees)


def _config_of(values: Mapping[str, Any], path: Path, trees: Mapping[str, type[Config]] = TREES) -> Config:
    return checkpoints.saved_config(values.get("config"), path, values.get("impasto_version"), trees)


@dataclass(frozen=True)
class Beginning:
    """The networks of another run, or of a model, for a run to begin with.

    Attributes:
        weights: Of the averaged network, by name.
        discriminator: Of the discriminator, by name. A model has none: it is empty.
        config: Config of that run or model.
        saved: Whether it is a model, whose network may have a form of its own.
        source: What the user named.
    """

    weights: dict[str, Tensor]
    discriminator: dict[str, Tensor]
    config: Config
    saved: bool
    source: Path


def beginning(path: Path, source: Path) -> Beginning:
    """The networks in a saved state, which the user named as `source`. Raises `CheckpointError`."""
    tensors, values = load_state(path)
    config = _config_of(values, path)
    return Beginning(_under(tensors, "average"), _under(tensors, "discriminator"), config, False, source)


# Settings that shape no generator.
OTHERS = ("discriminator", "spectral", "expand", "head", "pyramid", "whitened", "themes")


def check_networks(theirs: Config, ours: Config) -> None:
    """Raise `CheckpointError` where the generators of two runs differ, with what to set."""
    found, wanted = theirs.model.model_dump(), ours.model.model_dump()
    others = {
        name: value
        for name, value in found.items()
        if wanted.get(name) != value and not name.startswith(OTHERS)
    }
    if others:
        settings = " ".join(f"--set model.{name}={value}" for name, value in others.items())
        raise CheckpointError(
            f"'{ours.train.begin_with}' has other networks than this run",
            f"{settings}, or --set train.begin_with=",
        )


def is_finite(state: TrainingState) -> bool:
    """Whether every weight is a finite number: what is not must never replace a good checkpoint."""
    return all(bool(torch.isfinite(p).all()) for _, module in state.modules() for p in module.parameters())


def restore(state: TrainingState, path: Path, fingerprint: str, notes: Sequence[str] = ()) -> None:
    """Make a fresh state equal to the saved one.

    Args:
        state: State that `create_state` made for the same run. It is changed in place.
        path: File that `save` wrote.
        fingerprint: Fingerprint of the data as it is now.
        notes: How the pictures were read now, in words. An earlier version may have read more of them.

    Raises:
        CheckpointError: The file is damaged, or it is of other pictures or other networks.
    """
    tensors, values = load_state(path)
    if values.get("fingerprint") != fingerprint:
        hint = "put the folder back as it was, or start a new run with another --out"
        now = (
            f"; an earlier version may have read what this one leaves out. {' '.join(notes)}" if notes else ""
        )
        raise CheckpointError("the pictures are not those that this run was trained on", hint + now)
    for name, module in state.modules():
        load_weights(module, _under(tensors, name), path)
    try:
        _put(state, tensors, values)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, RuntimeError) as error:
        raise CheckpointError(f"'{path}' is not a whole training state: {error}") from None


def _put(state: TrainingState, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
    for name, optimizer in state.optimizers():
        _restore_optimizer(optimizer, _under(tensors, name))
    device = next(state.generator.parameters()).device
    state.recent = {name: t.to(device) for name, t in _under(tensors, "recent").items()}
    state.rng.set_state(tensors["rng"])
    state.batches.load_state_dict(values["batches"])
    state.images_seen, state.steps = values["images_seen"], values["steps"]
    state.seconds = values["seconds"]
    state.evaluations, state.balance = values["evaluations"], values["balance"]
    state.running_stats, state.standing = (
        RunningStats.of(values.get("vitals", {})),
        values.get("standing", {}),
    )
    state.repairs, state.healthy = values.get("repairs", []), values.get("healthy", [])
    state.record, state.threads = values.get("record"), values.get("threads")


def _restore_optimizer(optimizer: Optimizer, tensors: Mapping[str, Tensor]) -> None:
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    slots: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        index, slot = key.split("/")
        weight = parameters[int(index)]
        # As the weights lie in memory, so that the fused loop stays fused.
        moment = torch.empty_like(weight).copy_(tensor) if tensor.shape == weight.shape else tensor
        slots.setdefault(int(index), {})[slot] = moment
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": slots, "param_groups": groups})


def _under(tensors: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    return {key.removeprefix(f"{name}/"): t for key, t in tensors.items() if key.startswith(f"{name}/")}
