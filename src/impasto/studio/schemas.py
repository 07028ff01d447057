"""What requests may say, and what answers say: the API's description is made of these."""

from typing import Annotated, Any, Literal, Self

from pydantic import Base64Bytes, BaseModel, ConfigDict, Field, model_validator

PictureFormat = Literal["png", "webp", "json"]
"""A picture (several as one contact sheet), or JSON with each picture in base64 and its recipe."""

MOST_PICTURES, MOST_STOPS, MOST_FRAMES = 64, 16, 240
MOST_THEMES, MOST_COLOURS = 16, 5
MOST_STEPS, MOST_CANDIDATES = 1_000, 4_096
SIZE = r"^[0-9]{2,4}(x[0-9]{2,4})?$"
Number = Annotated[float, Field(allow_inf_nan=False)]
SeedNumber = Annotated[int, Field(ge=0, lt=2**63)]
ModelName = Annotated[str, Field(min_length=1, max_length=500)]
Truncation = Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)]


class Asked(BaseModel):
    """A body of a request: what it does not know is refused, so that a typing mistake is noticed."""

    model_config = ConfigDict(extra="forbid")


class Steering(Asked):
    """How seeds become pictures; its fields are arguments of `Model.generate` by the same names."""

    truncation: Truncation = 1.0
    directions: Annotated[dict[str, Number], Field(max_length=32)] = {}
    theme: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=200)]],
        Field(max_length=MOST_THEMES, description="Themes that a picture shall have at once."),
    ] = []
    colours: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=40)]],
        Field(max_length=MOST_COLOURS, description="Such as `#f4c20d` or `teal`."),
    ] = []
    palette_from: Annotated[
        Base64Bytes | None, Field(description="A picture, in base64, whose colours they shall have instead.")
    ] = None

    def steering(self) -> dict[str, Any]:
        """The arguments, but for `palette_from`, which is a file there."""
        return {name: getattr(self, name) for name in Steering.model_fields if name != "palette_from"}


class Generate(Steering):
    """New pictures by seeds, or those of recipes again."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"model": "runs/flowers", "seeds": [1, 2, 3], "truncation": 0.7}]}
    )
    model: ModelName
    seeds: Annotated[list[SeedNumber], Field(max_length=MOST_PICTURES)] = []
    recipes: Annotated[list[dict[str, Any]], Field(max_length=MOST_PICTURES)] = []
    format: PictureFormat = "png"

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if bool(self.seeds) == bool(self.recipes):
            raise ValueError("give seeds, or recipes")
        if self.recipes and self.model_fields_set & set(Steering.model_fields):
            raise ValueError("a recipe says already how its picture is made: steer seeds")
        return self


class Interpolate(Asked):
    """A way from stop to stop; a stop is a seed or a recipe."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"model": "runs/flowers", "stops": [3, 7], "frames": 12}]}
    )
    model: ModelName
    stops: Annotated[list[SeedNumber | dict[str, Any]], Field(min_length=2, max_length=MOST_STOPS)]
    frames: Annotated[int, Field(ge=2, le=MOST_FRAMES)] = 60
    loop: bool = False
    truncation: Truncation = 1.0
    fps: Annotated[float, Field(ge=1, le=60, allow_inf_nan=False)] = 24
    format: Literal["webp", "json"] = "webp"


class Limits(Asked):
    """When a training ends, over its whole life; without any, when it gets no better."""

    minutes: Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)] | None = None
    images: Annotated[int, Field(gt=0, le=10**12)] | None = None
    until_converged: bool = False


class Train(Limits):
    """A training. `settings` are numbers, as those of `impasto train --set`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"pictures": "flowers", "name": "Flowers", "minutes": 20, "size": 64}],
        }
    )
    pictures: Annotated[str, Field(min_length=1, max_length=1_000, description="A data set's name.")]
    name: Annotated[str, Field(max_length=80)] = ""
    preset: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,30}$")] | None = None
    size: Annotated[
        Annotated[int, Field(ge=16, le=1024)] | Annotated[str, Field(pattern=SIZE)] | None,
        Field(description="Side in px, or WIDTHxHEIGHT such as `384x256`."),
    ] = None
    dedupe: bool = False
    begin_with: Annotated[ModelName | None, Field(description="A model whose generator it begins with.")] = (
        None
    )
    settings: Annotated[
        dict[Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_.]{0,60}$")], bool | int | Number],
        Field(max_length=50),
    ] = {}


class ModelSeen(BaseModel):
    """A model that can be used."""

    name: str
    kind: Literal["generator", "upscaler"]
    shipped: bool
    preset: str
    size: int | None
    width: int | None
    channels: int
    scale: int | None
    images_seen: int
    themes: list[str]
    changed: float


class PictureMade(BaseModel):
    """A picture as base64, and how it was made: with the recipe it can be made again."""

    png: str
    recipe: dict[str, Any]


class PicturesMade(BaseModel):
    """Several of them."""

    pictures: list[PictureMade]


class Found(PictureMade):
    """The picture of a model that is most like a photo, and how like: distances and dB."""

    figures: dict[str, Any]


class DatasetSeen(BaseModel):
    """A folder of pictures. `id` is of those that were uploaded."""

    name: str
    title: str
    pictures: int
    id: str | None = None


class DatasetMade(DatasetSeen):
    """What became of an upload: pictures of each theme, and what was left out, with reasons."""

    themes: dict[str, int]
    rejected: dict[str, str]
    notes: list[str] = []


class JobSeen(BaseModel):
    """A training as it stands."""

    id: str
    name: str
    pictures: str
    model: str
    state: Literal["running", "stopping", "stopped", "finished", "failed", "lost"]
    words: str
    resumable: bool
    created: float
    preset: str
    size: int | None
    width: int | None
    part: Annotated[int | None, Field(description="1 or 2, where pictures are large.")]
    images_seen: int
    images_per_second: float | None
    eta_seconds: float | None


class Health(BaseModel):
    """The server is up; its queue."""

    status: Literal["ok", "closing"]
    running: int
    waiting: int
    places: int
