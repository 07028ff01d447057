"""What the configs of all tasks have in common: one frozen tree that says everything about a run.

Sizes are in pixels, progress is in images seen, learning rates are per Adam step.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from impasto.config.types import Beta, Frozen, NonNegative, PositiveFloat, PositiveInt, Share


class ImageConfig(Frozen):
    """What a picture is inside the networks: `(channels, height, width)` in [-1, 1].

    Attributes:
        size: To a generator the height of its pictures in px, and their width where `width` is None. To an
            upscaler in training the side of the windows of the sharp pictures that it learns from; it
            enlarges pictures of any size.
        width: The width of a generator's pictures in px. None: they are squares.
        channels: 1 for grey, 3 for colour, 4 for colour and alpha.
    """

    size: Annotated[int, Field(ge=16, le=1024)] = 64
    width: Annotated[int, Field(ge=16, le=1024)] | None = None
    channels: Literal[1, 3, 4] = 3

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in px."""
        return self.size, self.width or self.size

    @property
    def words(self) -> str:
        """The size in px as people write it: "64" of a square, else WIDTHxHEIGHT such as "96x64"."""
        height, width = self.shape
        return str(height) if height == width else f"{width}x{height}"

    def reduced(self, scale: int) -> "ImageConfig":
        """The same with both sides `scale` times smaller."""
        width = None if self.width is None else self.width // scale
        return self.model_copy(update={"size": self.size // scale, "width": width})


class DataConfig(Frozen):
    """How a folder of files becomes pictures of one size.

    Attributes:
        fit: How a picture gets the shape that is asked for: "crop" keeps the centre, "letterbox" pads.
            "random-crop" takes a window of that shape anywhere along the side that is too long. "windows"
            keeps the file's own pixels and takes a square anywhere in them: what upscalers learn from.
        reduced_px: For "windows": larger pictures are reduced until their shorter side has so many px. None:
            they stay as large as they are.
        reduced_width: With `reduced_px`: they are reduced until they just cover so many px in width and
            `reduced_px` in height. None: as wide as high.
        background: What is put under alpha and pads a letterbox, as "#rrggbb".
        mirror: Whether mirrored pictures are real ones too.
        dedupe: Whether exact and near copies are left out.
        min_side_px: Pictures with a shorter side are left out, except SVG.
        max_pixels: Pictures of more pixels are left out.
        holdout_share: The share of the pictures that are held out to measure with.
        holdout_min_pictures: How many pictures are held out at least.
        together: Which pictures are never held out from each other: copies byte for byte, or also near copies
            and mirror images, which would pass for new pictures that a generator has copied.
        themes: Where themes come from: "folders" (the first level of subfolders), "tags" (a .txt beside each
            picture, separated by commas), "none", or the path of a table (CSV, JSON, JSONL), beside the
            pictures or not.
        theme_min_pictures: Themes of fewer pictures are left out.
        balance: How much rare themes are shown more often: 0 as the folder is, 1 every theme alike, 0.5
            between.
    """

    fit: Literal["crop", "letterbox", "random-crop", "windows"] = "crop"
    reduced_px: Annotated[int, Field(ge=16, le=65_536)] | None = None
    reduced_width: Annotated[int, Field(ge=16, le=65_536)] | None = None
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

    Attributes:
        adversarial: The adversarial loss.
        r1_weight: The papers' gamma of R1 at 64 px; `at_size` gives that of another size. 0: no R1.
        r2_weight: The same of R2.
        gradient_penalty_weight: The lambda of WGAN-GP. 0: no such penalty.
        penalty_method: How R1 and R2 find the gradient: by a second backward pass, or by one more forward
            pass on pictures with a little noise.
        finite_difference_step: The deviation of that noise. Pictures lie in [-1, 1].
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

    def at_size(self, height: int, width: int | None = None) -> "LossConfig":
        """The same with gammas that grow with the number of pixels, as distances between pictures do.

        Without `width` pictures are squares.

        The rule is StyleGAN2-ADA's (Karras et al. 2020, appendix C). WGAN-GP's lambda stays: it weighs the
        distance of a slope from 1, and the logits of a Wasserstein game grow with the pictures' distances.
        """
        scale = height * (width or height) / 64**2
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

    Attributes:
        generator: The optimizer of the generator; see training/muon.py.
        generator_lr: The learning rate of the generator.
        discriminator_lr: The learning rate of the discriminator.
        beta1: Decay of the running mean of gradients.
        beta2: Decay of the running mean of their squares.
        warmup_images: Images seen while learning rates rise from 0.
        decay_from_images: After so many images learning rates fall with the square root of the images seen
            (Karras et al. 2024, section B.4), which needs no end to be known. 0: they do not.
        cooldown: The last share of a run in which learning rates fall to nothing, evenly, where its limit is
            known (Haegele et al. 2024). A run that is given a new limit goes on from where it was with
            rates as they would have been.
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
    """How the loop runs: batches, memory, device, and how often what is done.

    Attributes:
        seed: Decides everything that is drawn at random.
        begin_with: A run or model of the same networks, whose generator to begin with. None: begin anew.
        batch_size: Pictures in a batch, over all processes.
        recompute: Whether the generator's inner results are computed again rather than kept, which saves
            memory. None: found out first.
        parts: In how many parts a batch is computed, one after the other, which saves memory. 0: found out
            first.
        discriminator_steps: How often D learns for each time that G learns.
        device: "auto", "cpu", "cuda", "cuda:0" or "mps".
        precision: The arithmetic. "auto" chooses by the device.
        threads: Threads on a CPU. 0: all, and fewer while other programs keep the cores busy.
        checkpoint_every_seconds: Seconds between two checkpoints.
        snapshot_every_images: Images seen between two sheets of samples, the first twenty times. Later there
            are more between them (training/schedule.py, due).
        evaluate_every_images: Images seen between two evaluations, in the same way.
        evaluate_samples: How many samples an evaluation makes.
        on_trouble: What to do about trouble with a run's health: only say it, repair it, or end the run.
        max_repairs: How often a run is repaired before it ends.
    """

    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    begin_with: str | None = None  # a run or model of the same networks, whose generator to begin with
    batch_size: PositiveInt = 64
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
    # The first twenty times; later at every twentieth more than was seen (training/schedule.py, due).
    snapshot_every_images: PositiveInt = 500
    evaluate_every_images: PositiveInt = 2_500
    evaluate_samples: Annotated[int, Field(ge=16)] = 256
    # What to do about trouble with a run's health: only say it, repair it, or end the run.
    on_trouble: Literal["warn", "heal", "stop"] = "heal"
    max_repairs: Annotated[int, Field(ge=0)] = 3


class StopConfig(Frozen):
    """When to stop; the first condition that holds ends the run.

    Attributes:
        minutes: Stop after so many minutes of training. None: never by this one.
        images: Stop after so many images seen. None: never by this one.
        epochs: Stop after so many passes over the pictures. None: never by this one.
        until_converged: Whether to stop when evaluations bring nothing better, or at equilibrium.
        patience_evaluations: After how many evaluations that brought nothing better.
        equilibrium_band: At equilibrium D is right on half of the pictures, give or take this, on the real
            ones and on the generated ones.
        equilibrium_images: For how many images seen this must hold.
    """

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
    """Everything about a run. Each task adds its networks and what is its own.

    Attributes:
        task: The name of the task.
        preset: The preset that the settings began with.
        image: What a picture is inside the networks.
        data: How files become pictures.
        model: The networks.
        loss: The adversarial loss and the penalties.
        augment: How what the discriminator sees is changed.
        optimizer: How weights are updated.
        ema: How the generator's weights are averaged.
        train: The loop.
        stop: When to stop.
    """

    least_batch: ClassVar[int] = 2  # what compares the pictures of a batch needs two
    makes: ClassVar[str] = "makes something else"  # what a model does, to go on after its name
    verb: ClassVar[str] = "train"  # which command uses it
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
        if batch < self.least_batch:
            raise ValueError(f"train.batch_size must be {self.least_batch} or more for this task")
        if parts > 1 and (batch % parts or batch // parts < 2):
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
