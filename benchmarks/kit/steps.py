"""A preset's training step from the real pieces, and what it is made of: parts, operations, arithmetic."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook
from torch.profiler import profile
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from impasto.config.generation import ModulatedConfig
from impasto.config.shared import Config
from impasto.data.batches import Batches
from impasto.image.codec import to_tensor
from impasto.tasks import task_of
from impasto.tasks.generation import gan_step as game
from impasto.tasks.generation import modulated_step as modulated
from impasto.tasks.generation.learner import GeneratorLearner
from impasto.training import device as devices
from impasto.training import state as states

CALIBRATED = 256  # real pictures by which the scales of D are set

# Words in the names of torch's operations, in this order: the first that fits decides.
CATEGORIES = (
    ("optimizer", ("adam", "optimizer")),
    ("convolution", ("conv", "mkldnn_convolution")),
    ("matrix product", ("aten::mm", "addmm", "bmm", "linear", "matmul")),
    ("norm", ("norm",)),
    ("resampling", ("upsample", "pool", "grid_sampler", "interpolate", "im2col", "col2im", "pixel_shuffle")),
    ("copies", ("copy", "clone", "contiguous", "aten::to", "cat", "fill", "zero", "empty", "pad", "index")),
    ("reduction", ("sum", "mean", "max", "min", "any", "all")),
    # Everything else that arithmetic is: by far the longest list, so what is left of torch's own operations.
    ("pointwise", ("aten::",)),
)


@dataclass
class Step:
    """One round of the game, as the engine plays it. Calling it returns how many real pictures D saw."""

    config: Config
    fabric: Fabric
    state: states.TrainingState
    learner: GeneratorLearner
    seconds: dict[str, float] = field(default_factory=dict)

    def __call__(self) -> int:
        config, state = self.config, self.state
        images = config.train.batch_size * config.train.discriminator_steps
        stats = self.learner.step(state, config, self._next_batch)
        state.images_seen += images
        with self._timed("average"):
            states.update_average(state, config.ema, images)
        with self._timed("health"):  # what the engine reads after every step
            for value in vars(stats).values():
                float(value)
        return images

    def _next_batch(self) -> Tensor:
        with self._timed("data"):
            images = to_tensor(self.state.batches.next()).to(self.fabric.device)
            return images.contiguous(memory_format=torch.channels_last)

    @contextmanager
    def _timed(self, part: str) -> Iterator[None]:
        start = self._now()
        yield
        self.seconds[part] = self.seconds.get(part, 0.0) + self._now() - start

    def _now(self) -> float:
        if self.fabric.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    def parts(self, steps: int) -> dict[str, float]:
        """Mean seconds of a step's parts. `augmentation` is forward only and within D's and G's share.

        `default` makes its pictures once, for both: G's forward pass is within D's share.
        """
        self.seconds = {}
        marks = {"since": 0.0}
        optimizers = {
            id(self._inner(self.state.discriminator_optimizer)): "D forward + backward",
            id(self._inner(self.state.generator_optimizer)): "G forward + backward",
        }

        def add(part: str) -> None:
            now = self._now()
            self.seconds[part] = self.seconds.get(part, 0.0) + now - marks["since"]
            marks["since"] = now

        def before(optimizer: torch.optim.Optimizer, *_: object) -> None:
            add(optimizers[id(optimizer)])

        def after(*_: object) -> None:
            add("optimizers")

        def augment(*args: object, **kwargs: object) -> Tensor:
            with self._timed("augmentation"):
                return plain(*args, **kwargs)

        player = modulated if isinstance(self.config.model, ModulatedConfig) else game
        plain = getattr(player, "augment", None)
        patched = mock.patch.object(player, "augment", augment) if plain else nullcontext()
        hooks = register_optimizer_step_pre_hook(before), register_optimizer_step_post_hook(after)
        start = self._now()
        with patched:
            for _ in range(steps):
                marks["since"] = self._now()
                self()
        total = self._now() - start
        for hook in hooks:
            hook.remove()
        shares = {part: seconds / steps for part, seconds in self.seconds.items()}
        shares["D forward + backward"] -= shares["data"]
        counted = sum(seconds for part, seconds in shares.items() if part != "augmentation")
        return shares | {"rest": total / steps - counted, "step": total / steps}

    @staticmethod
    def _inner(optimizer: torch.optim.Optimizer) -> torch.optim.Optimizer:
        return getattr(optimizer, "optimizer", optimizer)  # Fabric's wrapper holds the one that steps


def make_step(config: Config, batches: Callable[[int], Batches]) -> Step:
    """A preset's step. `batches(batch_size)` gives its pictures."""
    choice = devices.choose(config.train)
    pinned = config.train.model_copy(update={"precision": choice.precision})
    config = config.model_copy(update={"train": pinned})
    fabric = devices.make_fabric(choice)
    state = states.create_state(task_of(config).build, config, batches(config.train.batch_size), fabric)
    if isinstance(config.model, ModulatedConfig):
        _, D = modulated.players(state)
        some = batches(32)
        real = torch.cat([to_tensor(some.next()) for _ in range(CALIBRATED // 32)]).to(fabric.device)
        with torch.no_grad():
            D.calibrate(D.pyramid(real))
    # Nothing is measured, and no preset here asks for themes.
    return Step(config, fabric, state, GeneratorLearner(fabric, evaluator=None, themes=None))  # type: ignore[arg-type]


def images_per_second(step: Callable[[], int], seconds: float) -> tuple[float, int, float]:
    """Real pictures per second over whole steps that last `seconds` or a little more, and how many steps.

    Last comes the share of its threads' time that the process got: well below 1 other programs disturbed it.
    The first step prepares kernels and is not counted.
    """
    step()
    start, processor = time.perf_counter(), time.process_time()
    images = steps = 0
    while (passed := time.perf_counter() - start) < seconds or not steps:
        images += step()
        steps += 1
        if torch.cuda.is_available():
            torch.cuda.synchronize()
    passed = time.perf_counter() - start
    share = (time.process_time() - processor) / passed / torch.get_num_threads()
    return images / passed, steps, share


class FlopCounter(TorchDispatchMode):
    """Counts with torch's own formulas. Its `FlopCounterMode` tells modules apart by hooks that refuse the
    `autograd.grad` within a gradient penalty."""  # fmt: skip

    def __init__(self) -> None:
        super().__init__()
        self.by_operation: Counter[str] = Counter()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation, and count it if it is one of those that have a formula."""
        result = function(*args, **(kwargs or {}))
        formula = flop_registry.get(function.overloadpacket)
        if formula is not None:
            flops = formula(*args, **(kwargs or {}), out_val=result)
            self.by_operation[function.overloadpacket.__name__] += flops
        return result


def flops_of(step: Callable[[], object]) -> dict[str, int]:
    """Floating-point operations of one step by operation, two for a multiplication with its addition.

    Counted are convolutions, matrix products and attention wherever they run, the backward pass and the
    second one of a gradient penalty included. Pointwise work, normalisation, resampling and the optimizers
    count as nothing.
    """
    with FlopCounter() as counter:
        step()
    return dict(counter.by_operation)


def operations_of(step: Callable[[], object], steps: int) -> dict[str, float]:
    """Share of the processor's time by kind of operation, from torch's profiler."""
    step()
    with profile() as profiler:
        for _ in range(steps):
            step()
    times: dict[str, float] = {}
    for event in profiler.key_averages():
        kind = category(event.key)
        times[kind] = times.get(kind, 0.0) + event.self_cpu_time_total
    total = sum(times.values())
    return {kind: t / total for kind, t in sorted(times.items(), key=lambda item: -item[1])}


def category(operation: str) -> str:
    """Which of `CATEGORIES` an operation's name belongs to, or "other"."""
    name = operation.lower()
    return next((kind for kind, words in CATEGORIES if any(word in name for word in words)), "other")
