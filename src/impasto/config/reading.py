"""Configs from TOML presets, dotted overrides and files: of which task, and whether they are valid."""

import tomllib
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import ValidationError

from impasto.config.generation import GenerationConfig
from impasto.config.overrides import closest, explain, parse_overrides, set_by_path
from impasto.config.shared import Config
from impasto.config.translation import TranslationConfig
from impasto.config.upscaling import UpscalerConfig, UpscalingConfig
from impasto.errors import ConfigError
from impasto.files import read_text

Tree = TypeVar("Tree", bound=Config)

TREES: Mapping[str, type[Config]] = {
    "generation": GenerationConfig,
    "upscaling": UpscalingConfig,
    "translation": TranslationConfig,
}


def preset_names() -> list[str]:
    """Names of the presets that come with the package, sorted."""
    folder = resources.files("impasto.config") / "presets"
    return sorted(f.name.removesuffix(".toml") for f in folder.iterdir() if f.name.endswith(".toml"))


def load_config(preset: str = "default", overrides: Mapping[str, Any] | Sequence[str] = ()) -> Config:
    """Read a preset (a name, or the path of a TOML file) and apply dotted overrides.

    `overrides` is `{"train.batch_size": 32}` or `["train.batch_size=32"]`; later ones win. Raises
    `ConfigError`, which names the key and the closest existing one.
    """
    tree = _read_preset(preset)
    tree["preset"] = preset
    for key, value in parse_overrides(overrides).items():
        set_by_path(tree, key, value)
    return parse_config(tree)


def override(config: Tree, overrides: Mapping[str, Any] | Sequence[str]) -> Tree:
    """The same config with dotted overrides applied. Raises `ConfigError`."""
    tree = config.model_dump()
    for key, value in parse_overrides(overrides).items():
        set_by_path(tree, key, value)
    return _validated(type(config), tree)


def parse_config(tree: Mapping[str, Any], trees: Mapping[str, type[Config]] = TREES) -> Config:
    """A validated config of the task that the tree names. Raises `ConfigError`."""
    task = task_in(tree)
    if not isinstance(task, str) or task not in trees:
        raise ConfigError(f"'task' = {str(task)[:200]!r}: no such task", f"one of: {', '.join(trees)}")
    return _validated(trees[task], tree)


def task_in(tree: Any) -> Any:
    """The task that a tree names; where it names none, as before version 0.2, the one its networks are of."""
    if not isinstance(tree, Mapping):
        return "generation"  # its reader says what is wrong with it
    if "task" in tree:
        return tree["task"]
    model = tree.get("model")
    kind = model.get("kind") if isinstance(model, Mapping) else None
    enlarges = {upscaler.model_fields["kind"].default for upscaler in get_args(UpscalerConfig)}
    return "upscaling" if kind in enlarges else "generation"


def _validated(kind: type[Tree], tree: Mapping[str, Any]) -> Tree:
    try:
        return kind.model_validate(tree)
    except ValidationError as error:
        raise explain(error, kind) from None


def _read_preset(preset: str) -> dict[str, Any]:
    if preset.endswith(".toml"):
        path = Path(preset)
        if not path.is_file():
            raise ConfigError(f"there is no preset file '{preset}'", "give the path of a TOML file")
        text = read_text(path)
    elif preset in (names := preset_names()):
        text = (resources.files("impasto.config") / "presets" / f"{preset}.toml").read_text(encoding="utf-8")
    else:
        raise ConfigError(
            f"there is no preset '{preset}'", closest(preset, names) or f"one of: {', '.join(names)}"
        )
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"preset '{preset}' is not valid TOML: {error}") from None
