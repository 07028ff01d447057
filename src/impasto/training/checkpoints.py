"""Model folders and training states on disk: safetensors and JSON, never anything executable.

A **model folder** is `model.safetensors` + `model.json` + `README.md` (a model card). A **training state** is
one safetensors file. The header of either carries the JSON and a digest of that and of all tensors, so that
numbers and tensors can never be of two moments, and no damage is loaded; `model.json` is a copy for people
and other programs. Every file is written under a temporary name, synced and renamed: the one before stays
until the new one is whole.

Files come from anywhere: what a description claims is compared with the shapes of the weights before anything
of that size is made.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from impasto import __version__
from impasto.config.overrides import UNKNOWN
from impasto.config.reading import TREES, parse_config, task_in
from impasto.config.shared import Config
from impasto.errors import CheckpointError, ConfigError, DamagedError
from impasto.files import parse_json, read_json, write_bytes_atomically
from impasto.training.model_card import LICENCE, model_card
from impasto.training.model_card import ModelInfo as ModelInfo  # others take it from here

MODEL_FORMAT, STATE_FORMAT, VERSION = "impasto-model", "impasto-training-state", 1
LARGE = "large"  # in a run's folder, the model whose pictures are enlarged (tasks/large.py)
WEIGHTS, CARD = "model.safetensors", "model.json"
DAMAGED = "its contents do not match their checksum"

ZOO = Path(__file__).parents[1] / "zoo"  # models that come with the package


def shipped_models() -> list[str]:
    """Names of the models that come with the package, sorted."""
    return sorted(path.parent.name for path in ZOO.glob(f"*/{CARD}"))


def find_model(model: str | Path) -> Path:
    """The folder that is meant: of a shipped model by its name, itself, or of a run.

    Of a run it is the model of large pictures, else the best one, else the last.

    Raises `CheckpointError` where there is none.
    """
    if str(model) in shipped_models():
        return ZOO / str(model)
    folder = Path(model)
    for candidate in (folder, folder / LARGE, folder / "best", folder / "last"):
        if (candidate / CARD).is_file():
            return candidate
    if not folder.exists():
        known = ", ".join(shipped_models())
        raise CheckpointError(
            f"there is no model '{folder}'", f"a folder that `impasto train --out` wrote, or one of: {known}"
        )
    raise CheckpointError(
        f"'{folder}' holds no model",
        "a run has one after its first snapshot; or give a folder with model.json",
    )


def licence_after(begun_with: str | None) -> str:
    """What holds for weights that were trained from those of `begun_with`, a shipped model or anything."""
    if begun_with not in shipped_models():
        return LICENCE
    licence = read_json(ZOO / str(begun_with) / CARD)["licence"]
    return f"{LICENCE}\n\nThey began with those of {begun_with}, of which this holds: {licence}"


def save_model(folder: Path, weights: Mapping[str, Tensor], info: ModelInfo) -> None:
    """Write a model folder. `OSError` (a full disk, no permission) leaves the one before as it was."""
    tree = {"format": MODEL_FORMAT, "format_version": VERSION, "impasto_version": __version__}
    tree |= {**asdict(info), "config": info.config.model_dump(mode="json")}
    text = _canonical(tree)
    weights = _copies(weights)
    digest = _digest(weights, text)
    # This file counts: whatever happens before the next one is there, weights and description are a pair.
    header = json.dumps({"description": text, "digest": digest})
    # One entry: several stand in the file in no fixed order, and the same model would be other bytes.
    write_bytes_atomically(folder / WEIGHTS, _pack(weights, {"model": header}))
    write_bytes_atomically(folder / CARD, json.dumps({**tree, "digest": digest}, indent=2).encode())
    write_bytes_atomically(folder / "README.md", model_card(info).encode())


def load_model(
    folder: Path,
    network_of: Callable[[Config], nn.Module],
    trees: Mapping[str, type[Config]] = TREES,
) -> tuple[dict[str, Tensor], ModelInfo]:
    """The weights and their description. Raises `CheckpointError` for anything but a whole model folder.

    `network_of` says which network the weights must be those of (`Task.saved_network`).
    """
    weights, card = folder / WEIGHTS, folder / CARD
    if not weights.is_file() or not card.is_file():
        raise CheckpointError(
            f"'{folder}' is not a model: it has no {WEIGHTS} with {CARD}",
            "give the folder that `impasto train --out` wrote",
        )
    with _within_memory(folder), _opened(weights) as file:
        tree, text, digest = _description(card, file.metadata() or {})
        info = _model_info(tree, card, trees)
        shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
        _check_shapes(shapes, network_of, info.config, weights)
        tensors = _tensors_in(file)
        # Models of 0.1 have no digest.
        if digest is not None and digest != _digest(tensors, text):
            raise DamagedError(f"'{folder}' is damaged: {DAMAGED}", "get it again from where it came from")
        for name, tensor in tensors.items():
            if not bool(torch.isfinite(tensor.float()).all()):
                raise DamagedError(f"'{weights}' is damaged: '{name}' holds numbers that are not finite")
    return tensors, info


def save_state(path: Path, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
    """Write a training state: named tensors, and JSON-able values beside them."""
    text = json.dumps(dict(values))
    tensors = _copies(tensors)  # what is written is what the digest is of, whatever goes on beside
    header = {
        "format": STATE_FORMAT,
        "format_version": VERSION,
        "values": text,
        "digest": _digest(tensors, text),
    }
    write_bytes_atomically(path, _pack(tensors, {"state": json.dumps(header)}))


def load_state(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What `save_state` wrote, on the CPU. Raises `CheckpointError` if it is damaged or foreign."""
    with _within_memory(path):
        tensors, metadata = _unpack(path)
        try:
            header = parse_json(metadata["state"])
        except (KeyError, ValueError):
            raise CheckpointError(f"'{path}' is not a training state of Impasto") from None
        _check_format(header, STATE_FORMAT, path)
        text = str(header.get("values"))
        if header.get("digest") != _digest(tensors, text):
            raise DamagedError(f"'{path}' is damaged: {DAMAGED}")
        values = parse_json(text)
    if not isinstance(values, dict):
        raise CheckpointError(f"'{path}' is not a training state of Impasto")
    return tensors, values


def saved_config(
    tree: Any, path: Path, version: object = None, trees: Mapping[str, type[Config]] = TREES
) -> Config:
    """The config that a file holds.

    A setting that is unknown here is a newer one: whoever reads that did not type it. What version 0.1 did
    not know is as that version did it, so that its runs have the same pictures held out; what only that
    version knew, or a later one for a while, of how its own kind of model learnt, is left out.

    Args:
        tree: The config as JSON gave it.
        path: The file, for messages.
        version: Version of Impasto that wrote the file, for messages; None or anything but text: not known.
        trees: Config classes, by the names of their tasks.

    Raises:
        CheckpointError: The tree is no config, or has settings that this version does not know.
    """
    if isinstance(tree, dict) and "task" not in tree:
        tree = _of_one_task(tree)
    if isinstance(tree, dict):
        tree = {key: value for key, value in tree.items() if key not in ("matching", "grow")}
    if isinstance(tree, dict) and isinstance(tree.get("distribution"), dict):
        kept = {key: value for key, value in tree["distribution"].items() if key != "thumbnail_px"}
        tree = tree | {"distribution": kept}
    if isinstance(tree, dict) and isinstance(tree.get("data"), dict) and "together" not in tree["data"]:
        tree = tree | {"data": tree["data"] | {"together": "copies"}}
    try:
        return parse_config(tree, trees)
    except ConfigError as error:
        if not error.message.startswith(UNKNOWN):
            raise CheckpointError(f"'{path}' does not describe a model: {error.message}") from None
        wrote = f"Impasto {version}" if isinstance(version, str) else "another version of Impasto"
        raise CheckpointError(
            f"'{path}' was written by {wrote}, and this is {__version__}: {error.message}",
            "update it: pip install -U impasto",
        ) from None


def _of_one_task(tree: dict[str, Any]) -> dict[str, Any]:
    """What versions before 0.2 wrote, one config for both tasks, as the config of the one that it is of."""
    task = task_in(tree)
    others = "distribution" if task == "upscaling" else "restoration"
    return {key: value for key, value in tree.items() if key != others} | {"task": task}


def load_weights(module: Any, weights: Mapping[str, Tensor], path: Path) -> None:
    """Copy named tensors into a network. Raises `CheckpointError` if they are another network's."""
    try:
        module.load_state_dict(dict(weights))
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
        raise CheckpointError(f"'{path}' holds the weights of another network: {first}") from None


def digest_of(weights: Mapping[str, Tensor]) -> str:
    """16 hexadecimal digits that other weights do not share."""
    return _digest(weights, "")[:16]


def _pack(tensors: Mapping[str, Tensor], metadata: dict[str, str]) -> bytes:
    packed: bytes = safetensors.torch.save(dict(tensors), metadata)
    return packed


def _copies(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """On the CPU. safetensors refuses tensors that share memory or are laid out channels last."""
    return {name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}


def _unpack(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    with _opened(path) as file:
        return _tensors_in(file), file.metadata() or {}


def _tensors_in(file: Any) -> dict[str, Tensor]:
    return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The file, open. A run may replace it at any time, and `safe_open` opens it twice by its name: for the
    header and for the numbers. Where these would be of two files it is opened again."""
    try:
        while True:
            before = _identity(path)
            with safe_open(path, framework="pt", device="cpu") as file:
                if _identity(path) == before:
                    yield file
                    return
    except (SafetensorError, OSError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DamagedError(
            f"'{path}' cannot be read: {reason}", "it is truncated, or not a safetensors file"
        ) from None


def _identity(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


@contextmanager
def _within_memory(path: Path) -> Iterator[None]:
    try:
        yield
    except (MemoryError, RecursionError):
        raise CheckpointError(f"'{path}' does not fit into this machine's memory") from None


def _description(card: Path, metadata: Mapping[str, str]) -> tuple[dict[str, Any], str, str | None]:
    """What a model says about itself, as data and as text; the digest of it and its weights, or None (0.1).

    The weights' header counts. `model.json` is a copy of it; where that has another digest, somebody was
    interrupted between writing one and the other.
    """
    try:
        told = read_json(card)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"'{card}' is not valid JSON: {error}") from None
    _check_format(told, MODEL_FORMAT, card)
    digest, told = told.get("digest"), _without_digest(told)
    if "model" not in metadata:
        return told, _canonical(told), None if digest is None else str(digest)
    weights = card.with_name(WEIGHTS)
    try:
        header = parse_json(metadata["model"])
        text, true_digest = str(header["description"]), str(header["digest"])
        tree = parse_json(text)
    except (KeyError, TypeError, ValueError):
        raise DamagedError(f"'{weights}' is damaged: its header describes no model") from None
    _check_format(tree, MODEL_FORMAT, weights)
    if digest == true_digest and _canonical(told) != _canonical(tree):
        raise CheckpointError(
            f"'{card}' was changed: it does not match its checksum",
            f"undo the change; {WEIGHTS} holds the same description",
        )
    return tree, text, true_digest


def _without_digest(tree: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in tree.items() if key != "digest"}


def _canonical(tree: Mapping[str, Any]) -> str:
    return json.dumps(tree, sort_keys=True, separators=(",", ":"))


def _model_info(tree: Mapping[str, Any], path: Path, trees: Mapping[str, type[Config]]) -> ModelInfo:
    try:
        told = {key: tree[key] for key in ModelInfo.__dataclass_fields__ if key != "config"}
        config = saved_config(tree["config"], path, tree.get("impasto_version"), trees)
    except KeyError as error:
        raise CheckpointError(f"'{path}' does not describe a model: it has no {error}") from None
    maps = ("data", "metrics", "conditions")
    right = type(told["images_seen"]) is int and told["images_seen"] >= 0 and isinstance(told["licence"], str)
    if not right or not all(isinstance(told[name], dict) for name in maps):
        raise CheckpointError(f"'{path}' does not describe a model: a value is of the wrong kind")
    return ModelInfo(config, **told)


def _check_shapes(
    found: Mapping[str, tuple[int, ...]],
    network_of: Callable[[Config], nn.Module],
    config: Config,
    path: Path,
) -> None:
    """Raise `CheckpointError` where weights of these shapes are not those of the config's network."""
    with torch.device("meta"):  # shapes alone: no memory, no random numbers
        try:
            network = network_of(config)
        except CheckpointError as error:
            raise CheckpointError(f"'{path.parent}' {error.message}", error.hint) from None
    wanted = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    for name in sorted(found.keys() | wanted.keys()):
        if found.get(name) != wanted.get(name):
            has, needs = found.get(name, "missing"), wanted.get(name, "unknown")
            raise CheckpointError(
                f"'{path}' holds the weights of another network: '{name}' is {has}, and not {needs}"
            )


def _check_format(tree: Any, expected: str, path: Path) -> None:
    if not isinstance(tree, dict) or tree.get("format") != expected:
        raise CheckpointError(f"'{path}' was not written by Impasto")
    if tree.get("format_version") != VERSION:
        raise CheckpointError(
            f"'{path}' is of format version {tree.get('format_version')}",
            f"this Impasto reads version {VERSION}: update it, or retrain",
        )


def _digest(tensors: Mapping[str, Tensor], text: str) -> str:
    digest = hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=16)
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
