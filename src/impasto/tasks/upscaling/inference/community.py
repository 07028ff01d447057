"""Other people's upscalers: files of weights, read without running anything in them, built by spandrel.

Such a file comes from anywhere. So it is read here and not by spandrel: a pickle by PyTorch's restricted
reader alone, never a TorchScript archive, which is a program. What spandrel is given are tensors, and what it
may build from them is bounded by how many there are.
"""

import math
import warnings
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from impasto.errors import CheckpointError, MissingDependencyError
from impasto.nn.compact import Upscaler
from impasto.telemetry import without_telemetry

SUFFIXES = (".pth", ".pt", ".ckpt", ".safetensors")
REACH = 24  # px: such networks do not say; most look at that much or less with any weight
# Before, `weights_only` did not keep a pickle within its memory (CVE-2026-24747).
SAFE_TORCH = (2, 10)
MOST_GIBIBYTES = 4  # of a file
MOST_TENSORS = 100_000
MOST_DEPTH = 8  # dictionaries in dictionaries
FREE_NUMBERS = 2**26  # that building may take whatever the file holds: masks, tables of positions
FACTORIES = (
    *(torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn),
    *(torch.eye, torch.arange, torch.linspace),
)


def load_community(path: Path) -> Upscaler:
    """The network in a file of weights, in evaluation mode.

    Raises `CheckpointError` for a file that is no network, none that enlarges, or one that would run code,
    and `MissingDependencyError` without spandrel.
    """
    try:
        with without_telemetry():
            import spandrel
    except ImportError:
        raise MissingDependencyError(
            "models of the community need the package spandrel", "pip install 'impasto[community]'"
        ) from None
    weights = read_weights(path)
    try:
        with _Budget([tensor for _, tensor in _tensors(weights)]):
            found = spandrel.ModelLoader(device="cpu").load_from_state_dict(weights)
    except Exception as error:  # spandrel and the networks in it raise nearly every kind there is
        raise CheckpointError(
            f"'{path}' cannot be used: {_words(error)}", "spandrel lists what it knows"
        ) from None
    if not isinstance(found, spandrel.ImageModelDescriptor) or found.purpose != "SR":
        raise CheckpointError(f"'{path}' does not enlarge pictures")
    if found.input_channels not in (1, 3) or found.output_channels != found.input_channels:
        raise CheckpointError(f"'{path}' takes {found.input_channels} channels: 1 or 3 are needed")
    return Community(found).eval()


def read_weights(path: Path) -> dict[str, Any]:
    """The tensors in a file by name, perhaps some dictionaries deep. Nothing in the file is run.

    Raises `CheckpointError` for what holds anything else, or claims more than its size can hold.
    """
    if path.stat().st_size > MOST_GIBIBYTES * 2**30:
        raise CheckpointError(f"'{path}' is larger than {MOST_GIBIBYTES} GiB")
    try:
        if path.suffix.lower() == ".safetensors":
            weights: Any = safetensors.torch.load_file(path, device="cpu")
        else:
            weights = _unpickle(path)
        _check(weights, path.stat().st_size)
    except CheckpointError as error:
        raise CheckpointError(f"'{path}' cannot be used: {error.message}", error.hint) from None
    except Exception as error:  # of foreign bytes the readers raise nearly every kind there is
        raise CheckpointError(
            f"'{path}' cannot be used: {_words(error)}",
            "only files that hold nothing but weights are read; .safetensors always are",
        ) from None
    return dict(weights)


def _unpickle(path: Path) -> Any:
    if tuple(int(part) for part in torch.__version__.split(".")[:2]) < SAFE_TORCH:
        raise CheckpointError(
            f"PyTorch {torch.__version__} does not read pickled files safely",
            "pip install -U torch, or take a .safetensors file",
        )
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
        # What torch.load tells a program by, and more: it warns, and reads on where it finds no such name.
        if any(part in ("code", "constants.pkl") for entry in entries for part in entry.filename.split("/")):
            raise CheckpointError(
                "it is a program (TorchScript), which could do anything", "ask for the weights alone"
            )
        if sum(entry.file_size for entry in entries) > path.stat().st_size:
            raise CheckpointError("it is compressed, as files of weights are not")
    with warnings.catch_warnings(action="ignore"):  # about what is refused anyway
        return torch.load(path, map_location="cpu", weights_only=True)


def _check(weights: Any, file_bytes: int) -> None:
    if not isinstance(weights, dict):
        raise CheckpointError("it holds no weights by name")
    tensors = list(_tensors(weights))
    if not tensors or len(tensors) > MOST_TENSORS:
        raise CheckpointError(f"it holds {len(tensors):,} tensors")
    for name, tensor in tensors:
        if type(tensor) not in (Tensor, torch.nn.Parameter) or tensor.layout != torch.strided:
            raise CheckpointError(f"'{name}' is no ordinary tensor")
        if tensor.device.type != "cpu" or tensor.nbytes > tensor.untyped_storage().nbytes():
            raise CheckpointError(f"'{name}' has fewer numbers than its shape says")
        if bool(tensor.isnan().any()):  # infinities are meant, in masks
            raise CheckpointError(f"'{name}' holds what is not a number (NaN)")
    # Twice: two names may stand for the same numbers.
    if sum(tensor.nbytes for _, tensor in tensors) > 2 * file_bytes:
        raise CheckpointError("its tensors are larger than the file")
    _check_numbering([name for name, _ in tensors])


def _check_numbering(names: Sequence[str]) -> None:
    """Networks are made as deep as the largest number in a name: that must be about how many there are."""
    numbers: defaultdict[str, set[int]] = defaultdict(set)
    for name in names:
        parts = name.split(".")
        for at, part in enumerate(parts):
            with suppress(ValueError):  # read as spandrel does: int("1_000") is a number, too
                number = int(part)
                numbers[".".join(parts[:at])].add(number)
    for prefix, found in numbers.items():
        if max(found) > 8 * len(found) + 32:  # layers without weights are numbered, too
            raise CheckpointError(f"'{prefix}.{max(found)}' follows {len(found)} layers")


def _tensors(tree: Mapping[Any, Any], depth: int = 0) -> Iterator[tuple[str, Tensor]]:
    """All tensors in dictionaries, by their last name. Raises `CheckpointError` where they lie too deep."""
    if depth > MOST_DEPTH:
        raise CheckpointError("its dictionaries lie too deep in each other")
    for name, value in tree.items():
        if isinstance(value, Tensor):
            yield str(name), value
        elif isinstance(value, dict):
            yield from _tensors(value, depth + 1)


class _Budget(TorchFunctionMode):
    """While inside, building a network that is out of all proportion to `tensors` raises `MemoryError`."""

    def __init__(self, tensors: Sequence[Tensor]) -> None:
        super().__init__()
        self.numbers = 8 * sum(t.numel() for t in tensors) + FREE_NUMBERS
        self.calls = 200 * len(tensors) + 10_000

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Call `func` if what it makes is still within bounds."""
        kwargs = kwargs or {}
        self.calls -= 1
        if func in FACTORIES:
            self.numbers -= _asked_for((*args, kwargs.get("size", ()), kwargs.get("steps", 1)))
        if min(self.calls, self.numbers) < 0:
            raise MemoryError("its network would be out of all proportion to its weights")
        return func(*args, **kwargs)


def _asked_for(args: Sequence[Any]) -> int:
    """The product of all whole numbers in a factory's arguments: at least what it makes, but for `eye`."""
    flat = [n for arg in args for n in (arg if isinstance(arg, list | tuple) else (arg,))]
    return math.prod(max(1, abs(n)) for n in flat if isinstance(n, int))


def _words(error: Exception) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)


class Community(Upscaler):
    """Somebody's network behind our conventions: values in [-1, 1], any size, three channels."""

    def __init__(self, found: Any) -> None:
        super().__init__(int(found.scale), REACH)
        self.net = found.model
        self.channels = int(found.input_channels)
        rules = found.size_requirements
        self.least, self.multiple = max(1, int(rules.minimum)), max(1, int(rules.multiple_of))
        self.square = bool(rules.square)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, h, w) in [-1, 1] -> (B, 3, scale h, scale w)."""
        height, width = images.shape[2:]
        unit = images.add(1).mul(0.5)
        if self.channels == 1:
            unit = unit.mean(1, keepdim=True)
        sides = [max(self.least, -(-side // self.multiple) * self.multiple) for side in (height, width)]
        if self.square:
            sides = [max(sides)] * 2
        unit = F.pad(unit, (0, sides[1] - width, 0, sides[0] - height), mode="replicate")
        made: Tensor = self.net(unit)
        made = made[:, :, : height * self.scale, : width * self.scale]
        return made.mul(2).sub(1).expand(-1, 3, -1, -1)
