"""How much memory a training needs, by trying with a few pictures; in how many parts a batch fits."""

import math
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from impasto.config.reading import override
from impasto.config.shared import Config, TrainConfig
from impasto.errors import ConfigError
from impasto.training import state as states
from impasto.training.distributed import ranks
from impasto.training.task import Data, Learner, Task

TRIED = (2, 6)  # pictures in a batch
MORE = 1.15  # than tensors take: scratch of convolutions, and what the allocator keeps between sizes
SPARE = 0.85  # of what is free may be used
SMALL = 32 * 64**2  # pixels in a batch that fit anywhere: not worth trying


@dataclass(frozen=True)
class Need:
    """Bytes that a step takes, beside what is held when it begins."""

    fixed: float
    per_picture: float

    def of(self, pictures: int) -> float:
        """Bytes for so many pictures at once."""
        return self.fixed + pictures * self.per_picture


def measure(config: Config, data: Data, fabric: Fabric, task: Task, learner: Learner) -> Need:
    """The memory that a step needs, measured with other networks of the same form.

    One step is made with few pictures and one with some more (`TRIED`).

    Args:
        config: Config of the run; its batch size and parts are replaced for the trial.
        data: Data to take the pictures from.
        fabric: Its device is the one that is measured.
        task: Builds the networks of the trial.
        learner: Makes the steps.
    """
    few, more = (_most_in_a_step(config, data, fabric, task, learner, count) for count in TRIED)
    per_picture = max(0.0, (more - few) / (TRIED[1] - TRIED[0]))
    return Need(MORE * max(0.0, few - TRIED[0] * per_picture), MORE * per_picture)


def parts_that_fit(need: Need, batch: int, room: float) -> int | None:
    """In how few parts of equal size, of two pictures at least, a batch fits into `room` bytes; None where it
    does not fit in any."""
    counts = (parts for parts in range(1, batch // 2 + 1) if batch % parts == 0)
    return next((parts for parts in counts if need.of(batch // parts) <= SPARE * room), None)


@dataclass(frozen=True)
class Outlook:
    """What a training will take of the memory that is there, and the settings by which it fits."""

    batch: int  # pictures in each process
    plain: Need
    thrifty: Need  # with train.recompute
    room: float
    recompute: bool
    parts: int
    fits: bool

    @property
    def bytes(self) -> float:
        """A step's, by these settings."""
        need = self.thrifty if self.recompute else self.plain
        return need.of(self.batch // self.parts)


def look_ahead(config: Config, data: Data, fabric: Fabric, task: Task, learner: Learner) -> Outlook:
    """What a training will take of the memory that is free, and the settings by which it fits.

    Preferred are whole batches with nothing computed twice; then `train.recompute`; then parts as well. What
    the config says of either is kept.

    Args:
        config: Config of the run.
        data: Data of the run.
        fabric: Its device is the one whose memory counts.
        task: Task of the run.
        learner: Makes the steps of the trial.
    """
    batch, free = config.train.batch_size // ranks.world_size(), room(fabric.device)
    plain, thrifty = (
        measure(override(config, {"train.recompute": recompute}), data, fabric, task, learner)
        for recompute in (False, True)
    )
    asked, parts = config.train.recompute, config.train.parts
    recompute = plain.of(batch // max(1, parts)) > SPARE * free if asked is None else asked
    need = thrifty if recompute else plain
    found = parts or parts_that_fit(need, batch, free)
    fewest = found or next(parts for parts in range(batch // 2, 0, -1) if batch % parts == 0)
    fits = found is not None and need.of(batch // fewest) <= SPARE * free
    return Outlook(batch, plain, thrifty, free, recompute, fewest, fits)


def settle(config: Config, data: Data, fabric: Fabric, task: Task, learner: Learner) -> Config:
    """The config with `train.recompute` and `train.parts`: as asked for, or as memory asks.

    Steps are tried only where the config leaves one of them open and the task says that memory can be short.

    Args:
        config: Config of the run.
        data: Data of the run.
        fabric: Its device is the one whose memory counts.
        task: Task of the run.
        learner: Makes the steps of the trial.

    Raises:
        ConfigError: The number of parts does not divide what each process has of a batch, or leaves parts of
            a single picture.
    """
    train, batch = config.train, config.train.batch_size // ranks.world_size()
    recompute, parts = bool(train.recompute), max(1, train.parts)
    if batch % parts or (parts > 1 and batch // parts < 2):
        raise ConfigError(
            f"{batch} pictures in each process cannot be computed in {parts} parts of 2 or more",
            "leave train.parts out: it is chosen by the memory that is free",
        )
    open_ = train.recompute is None or not train.parts
    if open_ and task.tries_memory and batch * math.prod(config.image.shape) > SMALL:
        found = look_ahead(config, data, fabric, task, learner)
        recompute, parts = ranks.broadcast((found.recompute, found.parts))
    chosen = {"recompute": recompute, "parts": parts}
    return config.model_copy(update={"train": train.model_copy(update=chosen)})


def describe(cfg: TrainConfig) -> str:
    """In words what is done to save memory; nothing where nothing is."""
    twice = "the generator's inner results are computed twice rather than kept" if cfg.recompute else ""
    parts = f"each batch is computed in {cfg.parts} parts" if cfg.parts > 1 else ""
    said = ", and ".join(filter(None, (twice, parts)))
    return f"To save memory, {said}: slower, and otherwise the same." if said else ""


def room(device: torch.device) -> float:
    """Bytes that are free for a process to take; endless where the system does not say."""
    if device.type == "cuda":
        return float(torch.cuda.mem_get_info(device)[0])
    found = [float("inf")]
    meminfo = _read(Path("/proc/meminfo"))
    found += [1024.0 * int(line.split()[1]) for line in meminfo.splitlines() if "MemAvailable" in line]
    group = Path("/sys/fs/cgroup")
    limit, used = _read(group / "memory.max").strip(), _read(group / "memory.current").strip()
    if limit.isdigit() and used.isdigit():  # a container's
        found.append(float(int(limit) - int(used)))
    return max(0.0, min(found)) / ranks.world_size()


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _most_in_a_step(
    config: Config, data: Data, fabric: Fabric, task: Task, learner: Learner, count: int
) -> float:
    """Bytes at the fullest moment of a step with `count` pictures in each process."""
    size = count * ranks.world_size()
    small = override(config, {"train.batch_size": size, "train.parts": 1})
    batches = data.batches(size, config.train.seed, ranks.rank(), ranks.world_size())
    state = states.create_state(task.build, small, batches, fabric)
    state.images_seen = 10**9  # a generator that grows is grown

    def next_batch() -> Tensor:
        return learner.tensor(batches.next(), fabric.device)

    return _peak(lambda: learner.step(state, small, next_batch), fabric.device)


def _peak(do: Callable[[], Any], device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        do()
        return float(torch.cuda.max_memory_allocated(device) - before)
    with Tally() as tally:
        do()
    return float(tally.most)


class Tally(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of all tensors that come to be inside and are not gone, and the most there were."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.most = 0
        self._alive: dict[int, weakref.ref[Any]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation and see what it made."""
        made = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, Tensor):
                self._note(tensor.untyped_storage())
        return made

    def _note(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key in self._alive:
            return

        def gone(_: object) -> None:
            self._alive.pop(key, None)
            self.now -= size

        self._alive[key] = weakref.ref(storage, gone)
        self.now += size
        self.most = max(self.most, self.now)
