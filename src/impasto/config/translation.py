"""The config of the task of translating layouts into pictures."""

import itertools
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from impasto.config.shared import Config, NetworkConfig
from impasto.config.types import Channels, Dims, Frozen, Layers, NonNegative, Share

LEAST_PX, MULTIPLE_PX = 32, 16


class Label(Frozen):
    """One label of a label map: its name and its colour, "#rrggbb"."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    colour: Annotated[str, Field(pattern=r"^#[0-9a-f]{6}$")]


class LayoutConfig(Frozen):
    """What is translated.

    Attributes:
        kind: "labels": pictures of few colours, each a label. "picture": sketches, edges, photographs.
            "auto": the layouts tell.
        labels: The labels, in the order of the network's inputs. Empty: they are found in the layouts.
        targets: The labels of the pictures, where these are label maps too, such as plans: results are
            snapped to them. Empty: the pictures tell.
        jitter: How much larger pictures are prepared than the squares that are trained on, as a share; the
            rest is cut off by chance (Isola et al. 2017, section 6.2: 286 and 256 px).
    """

    kind: Literal["auto", "labels", "picture"] = "auto"
    labels: Annotated[tuple[Label, ...], Field(max_length=64)] = ()
    targets: Annotated[tuple[Label, ...], Field(max_length=64)] = ()
    jitter: Annotated[float, Field(ge=0, le=1)] = 0.0

    @property
    def channels(self) -> int:
        """Channels of a layout inside the networks: one for each label, or three."""
        return len(self.labels) or 3

    @model_validator(mode="after")
    def _labels_differ(self) -> "LayoutConfig":
        for labels, what in itertools.product((self.labels, self.targets), ("name", "colour")):
            found = [getattr(label, what) for label in labels]
            twice = next((value for value in found if found.count(value) > 1), None)
            if twice is not None:
                raise ValueError(f"two labels have the {what} '{twice}'")
        return self


class TranslatorConfig(NetworkConfig):
    """A U-Net of residual blocks; layout and latent modulate each of them (after Park et al. 2019, SPADE).

    Attributes:
        kind: The name of these networks.
        channels: Channels at full size; they double with every halving.
        max_channels: The most channels there are.
        halvings: How often the layout is halved. Inside, sides are multiples of 2 to this power.
        latent_dim: How many numbers a latent has: the look of a picture, whatever its layout.
        discriminator_channels: Channels of the discriminator at half the size; they double twice.
        scales: At how many sizes the discriminator looks, each half of the one before.
        spectral_norm: Whether the discriminator has spectral norm.
    """

    kind: Literal["translator"] = "translator"
    channels: Channels = 16
    max_channels: Channels = 128
    halvings: Annotated[int, Field(ge=2, le=8)] = 5
    latent_dim: Dims = 16
    discriminator_channels: Channels = 32
    scales: Annotated[int, Field(ge=1, le=3)] = 2
    spectral_norm: bool = True


class Pix2pixConfig(NetworkConfig):
    """pix2pix's networks: a U-Net with dropout against patches of 70 px (Isola et al. 2017, section 6.1).

    Attributes:
        kind: The name of these networks.
        channels: Channels of the first convolution; they double up to eight times as many.
        halvings: How often the layout is halved, at most: down to one place.
        dropout: The share of the deepest maps that is left out, also in use: the only noise there is.
        discriminator_channels: Channels of the discriminator's first convolution; they double three times.
    """

    kind: Literal["pix2pix"] = "pix2pix"
    channels: Channels = 64
    halvings: Layers = 8
    dropout: Share = 0.5
    discriminator_channels: Channels = 64


TranslationNetworks = TranslatorConfig | Pix2pixConfig


class TranslationLossConfig(Frozen):
    """What a translator learns: weights.

    Attributes:
        adversarial: The game's own.
        pixels: Mean absolute difference to the real picture.
        features: The same of the maps of a frozen network.
        matching: The same of the discriminator's maps (Wang et al. 2018, eq. 4).
        latents: How far the latents that the encoder finds in real pictures are from N(0, I) (Kingma &
            Welling 2014, appendix B). 0: there is no encoder, and all latents are drawn.
        drawn_share: The share of a batch whose latents are drawn, and not found in the real picture. These
            are not compared with it.
    """

    adversarial: NonNegative = 1.0
    pixels: NonNegative = 0.0
    features: NonNegative = 0.0
    matching: NonNegative = 0.0
    latents: NonNegative = 0.0
    drawn_share: Share = 0.5


class TranslationConfig(Config):
    """Everything about the training of a translator."""

    least_batch: ClassVar[int] = 1
    makes: ClassVar[str] = "translates layouts into pictures"
    verb: ClassVar[str] = "translate"
    task: Literal["translation"] = "translation"
    model: Annotated[TranslationNetworks, Field(discriminator="kind")] = TranslatorConfig()
    layout: LayoutConfig = LayoutConfig()
    translation: TranslationLossConfig = TranslationLossConfig()

    @model_validator(mode="after")
    def _suits_pairs(self) -> "TranslationConfig":
        size = self.image.size
        if size % MULTIPLE_PX or size < LEAST_PX:
            raise ValueError(
                f"image.size must be a multiple of {MULTIPLE_PX} from {LEAST_PX} on for a translator"
            )
        if self.data.fit == "letterbox" or self.image.channels != 3 or self.data.dedupe:
            raise ValueError(
                "pairs need data.fit crop, random-crop or windows, image.channels=3, and no data.dedupe"
            )
        if isinstance(self.model, TranslatorConfig) and size % 2**self.model.halvings:
            raise ValueError(f"image.size={size} cannot be halved model.halvings={self.model.halvings} times")
        if self.train.parts > 1 or self.train.recompute:
            raise ValueError("train.parts and train.recompute are for generators")
        if self.train.discriminator_steps > 1:
            raise ValueError("train.discriminator_steps must be 1 for a translator")
        return self
