"""Which upscaler a name means: one of our own, a run or model folder, or a file from the community."""

from collections.abc import Callable
from pathlib import Path

from impasto.errors import CheckpointError
from impasto.files import read_json
from impasto.nn.compact import Upscaler
from impasto.tasks.upscaling.inference.community import SUFFIXES, load_community
from impasto.tasks.upscaling.inference.engines import Choice, choose_engine, open_engine
from impasto.tasks.upscaling.inference.upscale import PictureUpscaler
from impasto.tasks.upscaling.networks import saved_upscaler
from impasto.training.checkpoints import CARD, ZOO, find_model, load_model, load_weights, shipped_models

DEFAULT = "photo-x4"


def load_upscaler(
    model: str | Path = DEFAULT,
    *,
    engine: str = "auto",
    tile: int | None = None,
    device: str = "cpu",
    warn: Callable[[str], None] = print,
) -> PictureUpscaler:
    """An upscaler, ready for pictures: `load_upscaler("photo-x4")("small.jpg")` is a PIL picture.

    Args:
        model: One of `zoo_names()`, the folder of a run or a model, or a .pth, .pt, .ckpt or .safetensors
            file that the package spandrel knows. Nothing in such a file is executed.
        engine: "auto", or one of `engines.EngineName`.
        tile: Side of what is computed at once, in px. None: as large as is good.
        device: The device of PyTorch that computes: "cpu", "cuda" and the like.
        warn: Is told, in words, what had to be done differently than asked.

    Raises:
        CheckpointError: The model cannot be used.
        MissingDependencyError: The package of the engine, or that for such a file, is not installed.
        InputError: The engine does not exist, or it fails on this model.
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
    if path.is_file() and str(model) not in zoo_names() and path.suffix.lower() in SUFFIXES:
        return load_community(path), path.stem
    if not path.exists() and str(model) not in zoo_names():
        known = ", ".join(zoo_names())
        raise CheckpointError(f"there is no model '{model}'", f"a folder, a .pth file, or one of: {known}")
    return _own(find_model(model)), path.resolve().name


def is_upscaler(model: str | Path) -> bool:
    """Whether a model enlarges pictures. Raises `CheckpointError` where there is none."""
    path = Path(model)
    if path.is_file() and path.suffix.lower() in SUFFIXES:
        return True
    return _enlarges(find_model(model))


def zoo_names() -> list[str]:
    """Names of the upscalers that come with the package, sorted."""
    return [name for name in shipped_models() if _enlarges(ZOO / name)]


def _enlarges(folder: Path) -> bool:
    try:
        return "scale" in read_json(folder / CARD)["config"]["model"]
    except (OSError, ValueError, KeyError, TypeError):
        load_model(folder, saved_upscaler)  # says what is wrong
        raise


def _own(folder: Path) -> Upscaler:
    weights, info = load_model(folder, saved_upscaler)
    network = saved_upscaler(info.config)
    load_weights(network, {name: t.float() for name, t in weights.items()}, folder / "model.safetensors")
    return network.eval()
