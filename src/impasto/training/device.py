"""Choosing where and in which precision to train, by trying rather than by a list of names."""

import os
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.distributed as dist
from lightning_fabric import Fabric
from lightning_fabric.plugins import Precision as Plugin
from lightning_fabric.strategies.ddp import DDPStrategy
from torch import Tensor, nn

from impasto.arithmetic import bfloat16_speedup
from impasto.config.shared import TrainConfig
from impasto.errors import ConfigError
from impasto.training.distributed import ranks
from impasto.training.distributed.launch import STORE, Arrangement

Precision = Literal["float32", "bfloat16"]
ALONE = Arrangement()


@dataclass(frozen=True)
class Choice:
    """What was chosen, and why, in words for the person who waits."""

    device: str
    precision: Precision
    reason: str


def choose(cfg: TrainConfig) -> Choice:
    """Settle `auto` for the device and the precision. Raises `ConfigError` for a device that is not there."""
    device = _device(cfg.device)
    if cfg.precision != "auto":
        return Choice(device, cfg.precision, "as asked")
    return Choice(device, *_precision(device))


def meet(cfg: TrainConfig, together: Arrangement) -> tuple[Choice, Fabric]:
    """Where to train, with all processes of the run in touch; what the first one measures holds for all.

    Raises `ConfigError` for a device that is not there, processes that nobody started, and a batch that
    cannot be dealt out.
    """
    if not together.started:
        raise ConfigError(
            f"nobody has started {together.processes} processes",
            "`impasto train --devices` does; or torchrun, for a program",
        )
    if cfg.batch_size % together.processes:
        raise ConfigError(
            f"a batch of {cfg.batch_size} pictures cannot be dealt out evenly to "
            f"{together.processes} processes",
            "train.batch_size is that of all together: make it a multiple",
        )
    if together.processes == 1:
        choice = choose(cfg)
        return choice, make_fabric(choice)
    make_fabric(Choice(_device(cfg.device), "float32", "to meet"), together)
    choice = ranks.broadcast(choose(cfg) if ranks.is_first_rank() else None)
    return choice, make_fabric(choice, together)


def make_fabric(choice: Choice, together: Arrangement = ALONE) -> Fabric:
    """The one place that talks to Lightning about devices and precision, and lets processes find each other.

    Raises `ConfigError` for one device of several processes.
    """
    accelerator, _, index = choice.device.partition(":")
    plugins: list[Any] = [Bfloat16(accelerator)] if choice.precision == "bfloat16" else []
    precision: Any = None if plugins else "32-true"
    if together.processes == 1:
        devices: list[int] | int = [int(index)] if index else 1
        return Fabric(accelerator=accelerator, devices=devices, plugins=plugins, precision=precision)
    if index:
        raise ConfigError(
            f"{together.processes} processes cannot share '{choice.device}'", f"--device {accelerator}"
        )
    fabric = Fabric(
        accelerator=accelerator,
        devices=together.devices,
        num_nodes=together.nodes,
        strategy=InStep(),
        plugins=plugins,
        precision=precision,
    )
    _begin_attempt("nccl" if accelerator == "cuda" else "gloo")
    fabric.launch()
    return fabric


def _begin_attempt(backend: str) -> None:
    """Started by `launch.start`, meet in its file; under torchrun, by names of this attempt's own.

    Torchrun's store outlives a restart: who asks early would find the addresses of those who have died.
    """
    env = os.environ
    if STORE in env and not dist.is_initialized():
        rank, world = int(env["RANK"]), int(env["WORLD_SIZE"])
        dist.init_process_group(backend, store=dist.FileStore(env[STORE], world), rank=rank, world_size=world)  # type: ignore[attr-defined]
        return
    if env.get("TORCHELASTIC_USE_AGENT_STORE") != "True" or dist.is_initialized():
        return
    rank, world = int(env["RANK"]), int(env["WORLD_SIZE"])
    store = dist.TCPStore(env["MASTER_ADDR"], int(env["MASTER_PORT"]), world, is_master=False)  # type: ignore[attr-defined]
    name = f"attempt-{env.get('TORCHELASTIC_RESTART_COUNT', '0')}"
    attempt = dist.PrefixStore(name, store)  # type: ignore[attr-defined]
    dist.init_process_group(backend, store=attempt, rank=rank, world_size=world)


class InStep(DDPStrategy):
    """Lightning's processes, machines and clusters without its wrapper around networks: see ranks.py."""

    def setup_module(self, module: nn.Module) -> Any:
        """The module itself."""
        return module


class Bfloat16(Plugin):
    """bfloat16 arithmetic over float32 weights; outputs are float32.

    Lightning's own refuses every backward pass but `fabric.backward`, and a gradient penalty has one inside.
    That rule is there for float16's loss scaling, which bfloat16 does without.
    """

    precision = "bf16-mixed"

    def __init__(self, device: str) -> None:
        self.device = device

    def forward_context(self) -> AbstractContextManager[Any]:
        """What a network's forward pass runs in."""
        return torch.autocast(self.device, dtype=torch.bfloat16)

    def convert_output(self, data: Any) -> Any:
        """Logits and pictures in full precision: losses and penalties are sums over them."""
        return data.float() if isinstance(data, Tensor) else data


def _device(asked: str) -> str:
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if asked == "auto":
        return next(name for name in ("cuda", "mps", "cpu") if present[name])
    name, _, index = asked.partition(":")
    if name not in present or (index and not index.isdigit()):
        raise ConfigError(f"there is no device '{asked}'", "one of: auto, cpu, cuda, cuda:0, mps")
    if not present[name]:
        raise ConfigError(f"this machine has no '{name}' device", "leave --device out to use what is there")
    return asked


def _precision(device: str) -> tuple[Precision, str]:
    if device.startswith("cuda"):
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return "bfloat16", "this GPU has bfloat16 units"
        return "float32", "this GPU has no bfloat16 units"
    if device == "mps":
        return "float32", "bfloat16 is not dependable on MPS"
    ratio = bfloat16_speedup(device)
    words = f"bfloat16 measured {ratio:.2g} x float32's speed here"
    return ("bfloat16" if ratio > 1.3 else "float32"), words
