"""Which upscaler a name means: one of our own, a run or model folder, or a file from the community."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.nn import functional as F

from impasto.checkpoints import ZOO, find_model, load_model, load_weights, shipped_models
from impasto.descriptors import GeneratorConfig
from impasto.errors import CheckpointError, MissingDependencyError
from impasto.inference.engines import Choice, choose_engine, open_engine
from impasto.inference.upscale import PictureUpscaler
from impasto.models.build import build_upscaler
from impasto.models.upscaler import Upscaler
from impasto.telemetry import without_telemetry

DEFAULT = "photo-x4"
COMMUNITY_REACH = 24  # px: such networks do not say; most look at that much or less with any weight
_COMMUNITY_SUFFIXES = (".pth", ".pt", ".ckpt", ".safetensors")


def load_upscaler(
    model: str | Path = DEFAULT,
    *,
    engine: str = "auto",
    tile: int | None = None,
    device: str = "cpu",
    warn: Callable[[str], None] = print,
) -> PictureUpscaler:
    """An upscaler, ready for pictures: `load_upscaler("photo-x4")("small.jpg")` is a PIL picture.

    `model` is one of `zoo_names()`, the folder of a run or a model, or a .pth or .safetensors file that the
    package spandrel knows; nothing in such a file is executed. `engine` is auto or one of
    `engines.EngineName`; `tile` the side of what is computed at once, in px. Raises
    `CheckpointError` for a model that cannot be used and `InputError` for the rest.
    """
    network, name = load_network(model)
    network.eval().requires_grad_(False)
    if engine == "auto":
        choice = choose_engine(network) if device == "cpu" else Choice("torch", f"the one for {device}")
    else:
        choice = Choice(engine, "as asked")  # type: ignore[arg-type]  # open_engine says what is wrong
    return PictureUpscaler(network, name, open_engine(choice.name, network, device), choice, tile, warn)


def load_network(model: str | Path) -> tuple[Upscaler, str]:
    """The network in its deployed form, in evaluation mode, and its name. Raises `CheckpointError`."""
    path = Path(model)
    if path.is_file() and str(model) not in zoo_names() and path.suffix.lower() in _COMMUNITY_SUFFIXES:
        return _community(path), path.stem
    if not path.exists() and str(model) not in zoo_names():
        known = ", ".join(zoo_names())
        raise CheckpointError(f"there is no model '{model}'", f"a folder, a .pth file, or one of: {known}")
    return _own(find_model(model)), path.resolve().name


def is_upscaler(model: str | Path) -> bool:
    """Whether a model enlarges pictures. Raises `CheckpointError` where there is none."""
    path = Path(model)
    if path.is_file() and path.suffix.lower() in _COMMUNITY_SUFFIXES:
        return True
    return _enlarges(find_model(model))


def zoo_names() -> list[str]:
    """Names of the upscalers that come with the package, sorted."""
    return [name for name in shipped_models() if _enlarges(ZOO / name)]


def _enlarges(folder: Path) -> bool:
    tree = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    return "scale" in tree.get("config", {}).get("model", {})


def _own(folder: Path) -> Upscaler:
    weights, info = load_model(folder)
    if isinstance(info.config.model, GeneratorConfig):
        raise CheckpointError(
            f"'{folder}' makes new pictures and does not enlarge any", "`impasto generate` uses it"
        )
    network = build_upscaler(info.config.model, wide=False)
    load_weights(network, {name: t.float() for name, t in weights.items()}, folder / "model.safetensors")
    return network.eval()


def _community(path: Path) -> Upscaler:
    try:
        with without_telemetry():
            import spandrel
    except ImportError:
        raise MissingDependencyError(
            "models of the community need the package spandrel", "pip install 'impasto[community]'"
        ) from None
    try:
        found = spandrel.ModelLoader(device="cpu").load_from_file(path)
    except Exception as error:  # spandrel and pickle raise nearly every kind there is
        words = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise CheckpointError(f"'{path}' cannot be used: {words}", "spandrel lists what it knows") from None
    if not isinstance(found, spandrel.ImageModelDescriptor) or found.purpose != "SR":
        raise CheckpointError(f"'{path}' does not enlarge pictures")
    if found.input_channels not in (1, 3) or found.output_channels != found.input_channels:
        raise CheckpointError(f"'{path}' takes {found.input_channels} channels: 1 or 3 are needed")
    return Community(found)


class Community(Upscaler):
    """Somebody's network behind our conventions: values in [-1, 1], any size, three channels."""

    def __init__(self, found: Any) -> None:
        super().__init__(int(found.scale), COMMUNITY_REACH)
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
