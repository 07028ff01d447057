"""One frozen tree that says everything about a run, read from a TOML preset and dotted overrides.

Sizes are in pixels, progress is in images seen, learning rates are per Adam step.
"""

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from impasto.errors import ConfigError

SIZES = (16, 32, 64, 128, 256)

PositiveInt = Annotated[int, Field(gt=0)]
PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Beta = Annotated[float, Field(ge=0, lt=1)]


class Frozen(BaseModel):
    """Base of every part of the tree: immutable, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ImageConfig(Frozen):
    """What a picture is inside the networks: `(channels, size, size)` in [-1, 1]."""

    size: int = 64
    channels: Literal[1, 3, 4] = 3

    @field_validator("size")
    @classmethod
    def _power_of_two(cls, size: int) -> int:
        if size not in SIZES:
            raise ValueError(f"must be one of {', '.join(map(str, SIZES))}")
        return size


class DataConfig(Frozen):
    """How a folder of files becomes pictures of one size."""

    fit: Literal["crop", "letterbox", "random-crop"] = "crop"
    background: str = Field("#ffffff", pattern=r"^#[0-9a-fA-F]{6}$")
    mirror: bool = False
    dedupe: bool = False
    min_side_px: PositiveInt = 8
    max_pixels: PositiveInt = 200_000_000
    holdout_share: Annotated[float, Field(gt=0, lt=1)] = 0.1
    holdout_min_pictures: Annotated[int, Field(ge=2)] = 16


class MlpConfig(Frozen):
    """The multilayer-perceptron GAN (Goodfellow et al. 2014)."""

    kind: Literal["mlp"] = "mlp"
    latent_dim: PositiveInt = 64
    prior: Literal["normal", "uniform"] = "normal"
    hidden: tuple[PositiveInt, ...] = (256, 512)


class DcganConfig(Frozen):
    """Transposed convolutions against pooled convolutions (after Radford et al. 2016)."""

    kind: Literal["dcgan"] = "dcgan"
    latent_dim: PositiveInt = 100
    prior: Literal["normal", "uniform"] = "normal"
    base_channels: PositiveInt = 64


class ResidualConfig(Frozen):
    """Normalisation-free residual networks (after R3GAN, Huang et al. 2024).

    Channels are those at half the picture's size, the finest with residual blocks; they double with every
    halving, up to `max_channels`. `blocks` is the number of residual blocks at each resolution.
    """

    kind: Literal["residual"] = "residual"
    latent_dim: PositiveInt = 64
    prior: Literal["normal", "uniform"] = "normal"
    generator_channels: Annotated[int, Field(ge=2)] = 48
    discriminator_channels: Annotated[int, Field(ge=2)] = 32
    max_channels: PositiveInt = 256
    blocks: PositiveInt = 1


ModelConfig = Annotated[MlpConfig | DcganConfig | ResidualConfig, Field(discriminator="kind")]


class LossConfig(Frozen):
    """The adversarial loss and the gradient penalties beside it.

    The weights are the papers' gamma at 64 px; `at_size` gives those of another size.
    """

    adversarial: Literal["minimax", "non-saturating", "relativistic"] = "non-saturating"
    r1_weight: NonNegative = 0.0
    r2_weight: NonNegative = 0.0

    def at_size(self, size: int) -> "LossConfig":
        """The same with gammas that grow with the number of pixels, as distances between pictures do.

        The rule is StyleGAN2-ADA's (Karras et al. 2020, appendix C).
        """
        scale = (size / 64) ** 2
        return self.model_copy(
            update={"r1_weight": self.r1_weight * scale, "r2_weight": self.r2_weight * scale}
        )


class AugmentConfig(Frozen):
    """Differentiable augmentation of everything the discriminator sees (DiffAugment, Zhao et al. 2020)."""

    colour: Share = 0.0
    translation: Share = 0.0
    cutout: Share = 0.0


class OptimizerConfig(Frozen):
    """Adam for both networks."""

    generator_lr: PositiveFloat = 2e-4
    discriminator_lr: PositiveFloat = 2e-4
    beta1: Beta = 0.5
    beta2: Beta = 0.999
    warmup_images: Annotated[int, Field(ge=0)] = 0


class EmaConfig(Frozen):
    """Averaging of the generator's weights: half-life = min(halflife_images, ramp x images seen)."""

    halflife_images: Annotated[int, Field(ge=0)] = 0
    ramp: Share = 0.05


class TrainConfig(Frozen):
    """The loop."""

    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    batch_size: Annotated[int, Field(ge=2)] = 64
    discriminator_steps: PositiveInt = 1
    device: str = "auto"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    checkpoint_every_seconds: PositiveFloat = 60.0
    # The first twenty times; later at every twentieth more than was seen (training/engine.py, due).
    snapshot_every_images: PositiveInt = 500
    evaluate_every_images: PositiveInt = 2_500
    evaluate_samples: Annotated[int, Field(ge=16)] = 256
    # What to do about trouble with a run's health: only say it, repair it, or end the run.
    on_trouble: Literal["warn", "heal", "stop"] = "heal"
    max_repairs: Annotated[int, Field(ge=0)] = 3


class StopConfig(Frozen):
    """When to stop; the first condition that holds ends the run. None means never by this one."""

    minutes: PositiveFloat | None = None
    images: PositiveInt | None = None
    epochs: PositiveFloat | None = None
    until_converged: bool = False
    patience_evaluations: PositiveInt = 8
    equilibrium_band: Annotated[float, Field(gt=0, le=0.5)] = 0.05
    equilibrium_images: PositiveInt = 20_000


class Config(Frozen):
    """Everything about a run."""

    preset: str = "default"
    image: ImageConfig = ImageConfig()
    data: DataConfig = DataConfig()
    model: ModelConfig = ResidualConfig()
    loss: LossConfig = LossConfig()
    augment: AugmentConfig = AugmentConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    ema: EmaConfig = EmaConfig()
    train: TrainConfig = TrainConfig()
    stop: StopConfig = StopConfig()


def preset_names() -> list[str]:
    """Names of the presets that come with the package, sorted."""
    folder = resources.files("impasto") / "presets"
    return sorted(f.name.removesuffix(".toml") for f in folder.iterdir() if f.name.endswith(".toml"))


def load_config(preset: str = "default", overrides: Mapping[str, Any] | Sequence[str] = ()) -> Config:
    """Read a preset (a name, or the path of a TOML file) and apply dotted overrides.

    `overrides` is `{"train.batch_size": 32}` or `["train.batch_size=32"]`; later ones win. Raises
    `ConfigError`, which names the key and the closest existing one.
    """
    tree = _read_preset(preset)
    tree["preset"] = preset
    for key, value in parse_overrides(overrides).items():
        _set(tree, key, value)
    return parse_config(tree)


def override(config: Config, overrides: Mapping[str, Any] | Sequence[str]) -> Config:
    """The same config with dotted overrides applied. Raises `ConfigError`."""
    tree = config.model_dump()
    for key, value in parse_overrides(overrides).items():
        _set(tree, key, value)
    return parse_config(tree)


def parse_overrides(overrides: Mapping[str, Any] | Sequence[str]) -> dict[str, Any]:
    """`["train.batch_size=32"]` as `{"train.batch_size": 32}`. Raises `ConfigError` where there is no `=`."""
    return dict(overrides) if isinstance(overrides, Mapping) else dict(map(_split_override, overrides))


def parse_config(tree: Mapping[str, Any]) -> Config:
    """A validated `Config` from plain data. Raises `ConfigError`."""
    try:
        return Config.model_validate(tree)
    except ValidationError as error:
        raise _explain(error) from None


def _read_preset(preset: str) -> dict[str, Any]:
    if preset.endswith(".toml"):
        path = Path(preset)
        if not path.is_file():
            raise ConfigError(f"there is no preset file '{preset}'", "give the path of a TOML file")
        text = path.read_text(encoding="utf-8")
    elif preset in (names := preset_names()):
        text = (resources.files("impasto") / "presets" / f"{preset}.toml").read_text(encoding="utf-8")
    else:
        raise ConfigError(
            f"there is no preset '{preset}'", _closest(preset, names) or f"one of: {', '.join(names)}"
        )
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"preset '{preset}' is not valid TOML: {error}") from None


def _split_override(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ConfigError(
            f"'{text}' is not an override", "write key.path=value, for example train.batch_size=32"
        )
    try:  # a TOML value if it reads as one (numbers, booleans, lists), else the text itself
        return key.strip(), tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key.strip(), value.strip()


def _set(tree: dict[str, Any], key: str, value: Any) -> None:
    *parents, leaf = key.split(".")
    node = tree
    for parent in parents:
        node = node.setdefault(parent, {})
        if not isinstance(node, dict):
            raise ConfigError(f"'{key}' does not exist: '{parent}' is a value, not a group")
    node[leaf] = value


def _explain(error: ValidationError) -> ConfigError:
    first = error.errors(include_url=False)[0]
    path = [str(p) for p in first["loc"] if p not in ("mlp", "dcgan", "residual")]
    key = ".".join(path)
    if first["type"] == "extra_forbidden":
        return ConfigError(f"unknown setting '{key}'", _closest(key, _all_keys(Config)))
    if not key:
        return ConfigError(first["msg"].removeprefix("Value error, "))
    return ConfigError(f"'{key}' = {first['input']!r}: {first['msg'].removeprefix('Value error, ')}")


def _closest(word: str, known: Sequence[str]) -> str:
    """A hint that names the nearest known word, by whole path first and by its last part second."""
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    if not near:
        by_leaf = {k.rsplit(".", 1)[-1]: k for k in known}
        near = [by_leaf[m] for m in difflib.get_close_matches(word.rsplit(".", 1)[-1], list(by_leaf), n=1)]
    return f"did you mean '{near[0]}'?" if near else ""


def _all_keys(model: type[BaseModel], prefix: str = "") -> list[str]:
    keys: list[str] = []
    for name, field in model.model_fields.items():
        parts = [field.annotation, *getattr(field.annotation, "__args__", ())]
        groups = [p for p in parts if isinstance(p, type) and issubclass(p, BaseModel)]
        for group in groups:
            keys += _all_keys(group, f"{prefix}{name}.")
        if not groups:
            keys.append(prefix + name)
    return keys
