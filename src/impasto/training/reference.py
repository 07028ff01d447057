"""What is known of the real pictures before the first step of a projected GAN.

All of it is a function of the pictures and the config, so it is made anew on resuming and never saved.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from impasto.data.cache import Bytes, Flags, Indices
from impasto.descriptors import ProjectedConfig
from impasto.images import to_tensor
from impasto.models.discriminator import ProjectedDiscriminator
from impasto.models.encoder import THUMBNAIL_SIDE, Encoder
from impasto.models.generator import GrowingGenerator
from impasto.models.pyramid import Pyramid, content, thumbnail

MEASURED = 256  # pictures, the first, that scales are taken from
AT_ONCE = 32  # pictures
MOST_REMEMBERED_BYTES = 512 * 2**20  # some 20,000 pictures of 64 px in bfloat16


@dataclass(frozen=True)
class Reference:
    """The real pictures as the generator's lessons see them."""

    encoder: Encoder
    map_scales: list[float]  # one over the mean absolute value of each map of the pyramid
    memory: "Memory | None" = None  # None for more pictures than there is room for


@dataclass(frozen=True)
class Memory:
    """The maps and latents of all the real pictures: a pass through the frozen network saved in every step.

    They are computed where the pictures are learnt from, in the same precision, always in the same batches:
    a resumed run remembers exactly what the first one did.
    """

    maps: Sequence[Tensor]  # (N, h, w, c) each: a row is what one picture has in memory
    latents: Tensor  # (N, dims)
    rows: Tensor  # (pictures of the folder,) the row of each
    mirrored: int | None  # so many rows further on lies a picture's mirror image; None without any

    def recall(self, indices: Indices, mirrored: Flags) -> tuple[list[Tensor], Tensor]:
        """Of B pictures of the folder, as they are or `mirrored`: maps (B, c, h, w), latents (B, dims)."""
        rows = self.rows[torch.from_numpy(indices)]
        if self.mirrored is not None:
            rows = rows + self.mirrored * torch.from_numpy(mirrored)
        rows = rows.to(self.latents.device)
        return [m[rows].permute(0, 3, 1, 2) for m in self.maps], self.latents[rows]


@torch.no_grad()
def remember(
    pyramid: Callable[[Tensor], list[Tensor]],
    encoder: Encoder,
    take: Callable[[Indices], Bytes],
    indices: Indices,
    *,
    mirror: bool,
) -> Memory | None:
    """Look at the pictures with these indices of a folder, which `take` gives as (n, H, W, C) uint8.

    `pyramid` runs in the precision that training has. None where that is more than `MOST_REMEMBERED_BYTES`.
    """
    device = encoder.ranked.device

    def look(part: Indices, *, turned: bool) -> tuple[list[Tensor], Tensor]:
        pixels = take(part)
        images = to_tensor(pixels[:, :, ::-1].copy() if turned else pixels, device)
        maps = pyramid(images.contiguous(memory_format=torch.channels_last))
        return [m.permute(0, 2, 3, 1) for m in maps], encoder(images, maps)

    count = len(indices) * (2 if mirror else 1)
    one, _ = look(indices[:1], turned=False)
    if count * sum(m.numel() * m.element_size() for m in one) > MOST_REMEMBERED_BYTES:
        return None
    maps = [torch.empty(count, *m.shape[1:], dtype=m.dtype, device=device) for m in one]
    latents = torch.empty(count, encoder.dims, device=device)
    for turned in (False, True) if mirror else (False,):
        for start in range(0, len(indices), AT_ONCE):
            part = indices[start : start + AT_ONCE]
            found, known = look(part, turned=turned)
            first = start + len(indices) * turned
            for kept, m in zip((*maps, latents), (*found, known), strict=True):
                kept[first : first + len(part)] = m
    rows = torch.zeros(int(indices.max()) + 1, dtype=torch.int64)
    rows[torch.from_numpy(indices)] = torch.arange(len(indices))
    return Memory(maps, latents, rows, len(indices) if mirror else None)


def make_reference(
    generator: GrowingGenerator,
    discriminator: ProjectedDiscriminator,
    batches: Iterable[Tensor],
    cfg: ProjectedConfig,
    *,
    first: bool,
    themes: Tensor | None = None,
) -> Reference:
    """Look at real pictures, batches of (B, C, H, W); before the `first` step give both players their start.

    At least two pictures, in random order: scales are taken from the first of them. Only one batch is needed
    at a time: 2,048 pictures of 256 px are 1.6 GB. `themes` (N, T) are 1 where a picture has one.
    """
    seen = survey(discriminator.pyramid, batches)
    encoder = Encoder(seen.thumbnails, seen.contents, cfg.pixel_dims, cfg.content_dims)
    if first:
        discriminator.calibrate(seen.maps)
        latents = encoder.encode(seen.thumbnails, seen.contents)
        generator.follow(latents, cfg.exemplar_noise, themes)
        generator.draw_sketches(F.pad(latents, (0, generator.latent_dim - encoder.dims)), seen.thumbnails)
    return Reference(encoder, [float(1 / m.abs().mean()) for m in seen.maps])


@dataclass(frozen=True)
class Survey:
    """What the frozen network and the thumbnails say of N pictures."""

    contents: Tensor  # (N, 1600)
    thumbnails: Tensor  # (N, C 16^2)
    maps: list[Tensor]  # of the first 256 pictures or a few more


@torch.no_grad()
def survey(pyramid: Pyramid, batches: Iterable[Tensor]) -> Survey:
    """Look once at pictures, batches of (B, C, H, W)."""
    contents, thumbnails = [], []
    kept: list[list[Tensor]] = []
    for images in batches:
        maps = pyramid(images)
        contents.append(content(maps))
        thumbnails.append(thumbnail(images, THUMBNAIL_SIDE))
        if sum(len(finest) for finest, *_ in kept) < MEASURED:
            kept.append(maps)
    maps = [torch.cat(same) for same in zip(*kept, strict=True)]
    return Survey(torch.cat(contents), torch.cat(thumbnails), maps)
