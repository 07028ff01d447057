"""How well a model does what is asked of it: themes, colours, photos to find (`evaluate --control`)."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from impasto.data.cache import Indices
from impasto.data.folder import Dataset
from impasto.data.opening import open_to_compare
from impasto.errors import InputError
from impasto.image.codec import Pixels, to_tensor, to_uint8
from impasto.image.files import to_pil
from impasto.image.oklab import A_TOUCH
from impasto.image.palettes import COLOURS, ask_for_some, palettes_of
from impasto.metrics.control import PALETTES, colour_report, fit_classifier, theme_report, theme_variety
from impasto.nn.features import Lite0, extract, load_lite0
from impasto.tasks.generation.sampling.inversion import STEPS
from impasto.tasks.generation.sampling.latents import NO_THEMES_HINT
from impasto.tasks.generation.sampling.model import Model
from impasto.tasks.generation.sampling.photos import levels_psnr
from impasto.tasks.generation.sampling.repaint import repaint

FIRST_SEED = 3_000_000  # far from those that training and `evaluate` look at
REQUESTS, PER_THEME, PHOTOS = 400, 50, 8
MOST_REAL = 5_000
BATCH = 32


def control(
    model: Model,
    against: str | Path,
    *,
    requests: int = REQUESTS,
    per_theme: int = PER_THEME,
    photos: int = PHOTOS,
    steps: int = STEPS,
    progress: Any = None,
    warn: Callable[[str], None] = lambda words: None,
) -> dict[str, Any]:
    """Measure how well a model does what is asked of it: colours, themes, and photos to find.

    It is asked for the palettes of held-out pictures, for every theme, and for held-out pictures themselves.

    Args:
        model: The model.
        against: Folder of the pictures that it was trained on. Their held-out part was never trained on.
        requests: How many palettes are asked for, 20 or more.
        per_theme: Pictures made for each theme, 1 or more.
        photos: Held-out pictures that are sought in the model; 0 leaves "projection" out.
        steps: Steps of the search for each of them.
        progress: Is told how far the folder has been read and how far a search is. None: nobody is told.
        warn: Is told, in words, what was left out of the folder.

    Returns:
        "themes" (`metrics.control.ThemeReport` and the variety within each), "colours" and "some_colours"
        (`ColourReport`), and "projection". Those that the model cannot do are absent.

    Raises:
        InputError: The model can be asked for nothing, the requests are too few, or the folder is another
            one.
    """
    config = model.info.config
    in_colour = config.image.channels > 1
    if not in_colour and not model.themes:
        raise InputError("this model cannot be asked for anything", NO_THEMES_HINT)
    if requests < PALETTES or per_theme < 1:
        raise InputError(f"{requests} requests are too few to measure", f"{PALETTES} or more say something")
    dataset = open_to_compare(against, config.data, config.image, seed=config.train.seed, progress=progress)
    if dataset.fingerprint != model.info.data.get("fingerprint"):
        raise InputError(
            f"'{against}' is not what this model was trained on",
            "only there it is known what was held out: give the same folder, unchanged",
        )
    for note in dataset.notes:
        warn(note)
    net, found = load_lite0(torch.device("cpu")), dict[str, Any]()
    if model.themes:
        found["themes"] = themes_obeyed(model, dataset, net, per_theme)
    if in_colour:
        found |= colours_obeyed(model, dataset, requests)
    if photos:
        found["projection"] = photos_found(model, dataset, net, photos, steps, progress)
    return found


@torch.inference_mode()
def themes_obeyed(model: Model, dataset: Dataset, net: Lite0, per_theme: int) -> dict[str, Any]:
    """`ThemeReport` of pictures made for each theme, with "variety" by theme.

    Args:
        model: The model; it has themes.
        dataset: The pictures that it was trained on.
        net: Sees the features by which themes are told apart.
        per_theme: Pictures made for each theme.
    """
    themes = torch.from_numpy(dataset.theme_matrix.copy())
    seen, unseen = dataset.some_to_train_on(MOST_REAL, 0, per_theme), held_out(dataset)[:MOST_REAL]
    train, holdout = torch.from_numpy(seen), torch.from_numpy(unseen)
    real, held = (extract(net, dataset.pixels.take(i.numpy())) for i in (train, holdout))
    asked = torch.eye(len(dataset.themes)).repeat_interleave(per_theme, 0)
    names = [name for name in dataset.themes for _ in range(per_theme)]
    points = [model.seed_point(FIRST_SEED + i, theme=name) for i, name in enumerate(names)]
    fake = extract(net, pictures(model, torch.stack([model.latent(point) for point in points])))
    with torch.inference_mode(False):
        classifier = fit_classifier(real.clone(), themes[train])
    report = theme_report(
        classifier, dataset.themes, fake=fake, asked=asked, holdout=held, holdout_themes=themes[holdout]
    )
    variety = theme_variety(dataset.themes, real=real, themes=themes[train], fake=fake, asked=asked)
    return report.to_dict() | {"variety": {name: asdict(figures) for name, figures in variety.items()}}


@torch.inference_mode()
def colours_obeyed(model: Model, dataset: Dataset, requests: int) -> dict[str, Any]:
    """`ColourReport`s: of whole palettes of held-out pictures, and of some of their colours."""
    palettes, rng = torch.from_numpy(dataset.palettes.copy()), torch.Generator().manual_seed(0)
    held = palettes[torch.from_numpy(held_out(dataset))]
    real = palettes[torch.from_numpy(dataset.train_indices)]
    asked_of = held[torch.arange(8 * requests) % len(held)]
    some = ask_for_some(asked_of, rng)
    some = some[(some[..., 3] > 0).any(1)][:requests]  # a palette of shades alone leaves nothing to ask for
    background, found = dataset.data.background, {}
    points = [model.seed_point(FIRST_SEED + i) for i in range(requests)]
    plain = to_tensor(pictures(model, torch.stack([model.latent(point) for point in points])))
    for name, asked, share in (("colours", asked_of[:requests], None), ("some_colours", some, A_TOUCH)):
        made = to_tensor(to_uint8(repaint(plain[: len(asked)], asked, background)))
        seen = torch.cat([palettes_of(part, COLOURS, background) for part in torch.split(made, BATCH)])
        found[name] = colour_report(asked, seen, real, rng, share).to_dict()
    return found


def photos_found(
    model: Model, dataset: Dataset, net: Lite0, photos: int, steps: int, progress: Any
) -> dict[str, Any]:
    """How near the model comes to held-out pictures, beside the nearest picture that it learnt from; means.

    Args:
        model: The model.
        dataset: The pictures that it was trained on.
        net: Sees the features by which pictures are compared.
        photos: How many held-out pictures to seek.
        steps: Steps of the search for each of them.
        progress: Is told how far a search is. None: nobody is told.

    Returns:
        Distances in features, PSNR in dB, and "photos", how many were sought.
    """
    rows = held_out(dataset)[:photos]
    real = dataset.train_pixels(MOST_REAL, seed=0)
    features = extract(net, real)
    figures = []
    for row in rows:
        photo = dataset.pixels.take(rows[rows == row])[0]
        found = model.project(to_pil(photo), steps=steps, progress=progress).found
        apart = torch.linalg.vector_norm(features - extract(net, photo[None]), dim=1)
        nearest = real[int(apart.argmin())]
        figures.append((found.distance, found.psnr, float(apart.min()), levels_psnr(nearest, photo)))
    names = ("distance_lite0", "psnr", "nearest_distance_lite0", "nearest_psnr")
    means = np.mean(figures, axis=0)
    return dict(zip(names, (float(mean) for mean in means), strict=True)) | {"photos": len(rows)}


def held_out(dataset: Dataset) -> Indices:
    """The held-out pictures in an order that has nothing to do with their folders: theme by theme as they
    lie there, the first few would be of one."""
    return np.random.default_rng(0).permutation(dataset.holdout_indices)


def pictures(model: Model, latents: Tensor) -> Pixels:
    """(N, levels, latent_dim) -> (N, H, W, C) uint8."""
    G = model.generator
    return np.concatenate([to_uint8(G(part.to(G.device))) for part in torch.split(latents, BATCH)])
