"""What the configs of all tasks have in common: one frozen tree that says everything about a run.

Sizes are in pixels, progress is in images seen, learning rates are per Adam step.
"""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from impasto.config.types import Beta, Frozen, NonNegative, PositiveFloat, PositiveInt, Share


class ImageConfig(Frozen):
    """What a picture is inside the networks: `(channels, size, size)` in [-1, 1].

    To a generator `size` is that of its pictures. To an upscaler in training it is the side of the windows of
    the sharp pictures that it learns from; it enlarges pictures of any size.
    """

    size: Annotated[int, Field(ge=16, le=512)] = 64
    channels: Literal[1, 3, 4] = 3


class DataConfig(Frozen):
    """How a folder of files becomes pictures of one size.

    "windows" keeps the files' own pixels and takes a square anywhere in them: what upscalers learn from.
    `themes` says where they come from: "folders" (the first level of subfolders), "tags" (a .txt beside each
    picture, separated by commas), "none", or the path of a table (CSV, JSON, JSONL), beside the pictures
    or not. `balance` shows rare themes more often: 0 as the folder is, 1 every theme alike, 0.5 between.
    `together` says which pictures are never held out from each other: copies byte for byte, or also near
    copies and mirror images, which would pass for new pictures that a generator has copied.
    """

    fit: Literal["crop", "letterbox", "random-crop", "windows"] = "crop"
    background: str = Field("#ffffff", pattern=r"^#[0-9a-fA-F]{6}$")
    mirror: bool = False
    dedupe: bool = False
    min_side_px: PositiveInt = 8
    max_pixels: PositiveInt = 200_000_000
    holdout_share: Annotated[float, Field(gt=0, lt=1)] = 0.1
    holdout_min_pictures: Annotated[int, Field(ge=2)] = 16
    together: Literal["copies", "near-copies"] = "near-copies"
    themes: Annotated[str, Field(min_length=1)] = "folders"
    theme_min_pictures: PositiveInt = 1  # themes with fewer are left out
    balance: Share = 0.0


Adversarial = Literal[
    "minimax",
    "non-saturating",
    "relativistic",
    "relativistic-average",
    "least-squares",
    "hinge",
    "wasserstein",
]


class LossConfig(Frozen):
    """The adversarial loss and the gradient penalties beside it.

    `r1_weight` and `r2_weight` are the papers' gamma at 64 px; `at_size` gives those of another size.
    `gradient_penalty_weight` is the lambda of WGAN-GP. `penalty_method` says how R1 and R2 find the gradient:
    by a second backward pass, or by one more forward pass on pictures with `finite_difference_step` times
    N(0, 1) added to every value (pictures lie in [-1, 1]).
    """

    adversarial: Adversarial = "non-saturating"
    r1_weight: NonNegative = 0.0
    r2_weight: NonNegative = 0.0
    gradient_penalty_weight: NonNegative = 0.0
    penalty_method: Literal["analytic", "finite-difference"] = "analytic"
    finite_difference_step: PositiveFloat = 0.01

    @model_validator(mode="after")
    def _only_gammas_by_differences(self) -> "LossConfig":
        if self.penalty_method == "finite-difference" and self.gradient_penalty_weight:
            raise ValueError(
                "loss.penalty_method=finite-difference is for r1_weight and r2_weight: one direction cannot "
                "tell how far a norm is from 1, as loss.gradient_penalty_weight must know"
            )
        return self

    def at_size(self, size: int) -> "LossConfig":
        """The same with gammas that grow with the number of pixels, as distances between pictures do.

        The rule is StyleGAN2-ADA's (Karras et al. 2020, appendix C). WGAN-GP's lambda stays: it weighs the
        distance of a slope from 1, and the logits of a Wasserstein game grow with the pictures' distances.
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
    """Adam for both networks, or Muon for the generator.

    Learning rates rise over `warmup_images`; after `decay_from_images`, where that is not 0, they fall with
    the square root of the images seen (Karras et al. 2024, section B.4), which needs no end to be known.
    Where a limit of the run is known they fall to nothing, evenly, in the last `cooldown` of it (Haegele et
    al. 2024); a run that is given a new limit goes on from where it was with rates as they would have been.
    """

    generator: Literal["adam", "muon"] = "adam"  # see training/muon.py
    generator_lr: PositiveFloat = 2e-4
    discriminator_lr: PositiveFloat = 2e-4
    beta1: Beta = 0.5
    beta2: Beta = 0.999
    warmup_images: Annotated[int, Field(ge=0)] = 0
    decay_from_images: Annotated[int, Field(ge=0)] = 0
    cooldown: Share = 0.0


class EmaConfig(Frozen):
    """Averaging of the generator's weights: half-life = min(halflife_images, ramp x images seen)."""

    halflife_images: Annotated[int, Field(ge=0)] = 0
    ramp: Share = 0.05


class TrainConfig(Frozen):
    """The loop."""

    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    begin_with: str | None = None  # a run or model of the same networks, whose generator to begin with
    batch_size: Annotated[int, Field(ge=2)] = 64
    # Where memory is short: whether the generator's inner results are computed again for the way back rather
    # than kept, and in how many parts a batch is computed, one after the other. It remains one update by the
    # whole batch, but what compares pictures (batch norm) sees a part. None and 0: found out first.
    recompute: bool | None = None
    parts: Annotated[int, Field(ge=0)] = 0
    discriminator_steps: PositiveInt = 1
    device: str = "auto"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    # Threads on a CPU. 0: all, and fewer while other programs keep the cores busy (adaptive_threads.py).
    threads: Annotated[int, Field(ge=0, le=1024)] = 0
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


class NetworkConfig(Frozen):
    """What the networks of a run are, in numbers; each task has kinds of its own."""

    kind: str
    spectral_norm: bool = False  # of the discriminator


class Config(Frozen):
    """Everything about a run. Each task adds its networks and what is its own."""

    task: str
    preset: str = "default"
    image: ImageConfig = ImageConfig()
    data: DataConfig = DataConfig()
    model: NetworkConfig
    loss: LossConfig = LossConfig()
    augment: AugmentConfig = AugmentConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    ema: EmaConfig = EmaConfig()
    train: TrainConfig = TrainConfig()
    stop: StopConfig = StopConfig()

    @model_validator(mode="after")
    def _parts_are_of_a_batch(self) -> "Config":
        batch, parts = self.train.batch_size, max(1, self.train.parts)
        if batch % parts or batch // parts < 2:
            raise ValueError(
                f"train.parts={parts} does not divide a batch of {batch} into parts of 2 or more"
            )
        return self

    @model_validator(mode="after")
    def _differences_need_float32(self) -> "Config":
        weighs = self.loss.r1_weight or self.loss.r2_weight
        if weighs and self.loss.penalty_method == "finite-difference" and self.train.precision != "float32":
            raise ValueError(
                "loss.penalty_method=finite-difference needs train.precision=float32: the difference between "
                "two logits is smaller than what bfloat16 tells apart"
            )
        return self
