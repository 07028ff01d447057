"""What the energy distances compare: pictures as rows whose distances are not decided by a few directions."""

import math
from collections.abc import Iterable, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from impasto.nn.frozen_features import CHANNELS, map_shapes, thumbnail

THUMBNAIL_PX = 8
# Sides to which the maps are pooled before batches are compared: what there is, and roughly where.
POOLED = (8, 8, 4, 2)
ROUNDS = 4  # of the iteration for principal directions


class Whitening(nn.Module):
    """Rows (N, dims) -> rows (N, dims) whose leading principal directions are scaled down.

    Pictures differ most in a few directions: how light they are, how much is filled, which colour. These
    decide the distances between plain rows, so that samples of one shape in several colours are far from
    each other, and what differs in detail does not count. Here a direction of standard deviation s is scaled
    by r / (s + r), where r is the root mean square of the deviations of all directions. Only the leading
    `directions` are whitened so: faint ones are noise, and stay as they are. Rows come out in units of r.
    """

    directions: Tensor
    shares: Tensor
    scale: Tensor

    def __init__(self, dims: int, directions: int) -> None:
        super().__init__()
        kept = min(dims, directions)
        self.register_buffer("directions", torch.zeros(dims, kept))
        self.register_buffer("shares", torch.zeros(kept))
        self.register_buffer("scale", torch.ones(()))

    def fit(self, rows: Tensor) -> None:
        """Find the directions of these rows (N, dims), N of 2 at least."""
        centred = rows - rows.mean(0)
        usual = centred.square().mean().sqrt().clamp_min(1e-6)
        found, deviations = leading_directions(centred, self.directions.shape[1])
        self.scale.copy_(1 / usual)
        self.directions.zero_()[:, : found.shape[1]] = found.to(self.directions)
        self.shares.zero_()[: len(deviations)] = (deviations / (deviations + usual)).to(self.shares)

    def forward(self, rows: Tensor) -> Tensor:
        """(N, dims) -> (N, dims)."""
        return self.scale * (rows - (rows @ self.directions * self.shares) @ self.directions.T)


class ComparedRows(nn.Module):
    """Pictures and the frozen network's maps of them as rows by name: "thumbnails", which show what whitening
    plays down (how light, how full, which colours), and "maps0" to "maps3": what there is, and roughly where.

    `whitenings` has what whitens those of each name; thumbnails are only scaled.
    """

    def __init__(self, channels: int, shape: tuple[int, int], directions: int) -> None:
        super().__init__()
        self.shapes = [
            (min(height, pooled), min(width, pooled))
            for (height, width), pooled in zip(map_shapes(shape), POOLED, strict=True)
        ]
        dims = {"thumbnails": channels * THUMBNAIL_PX**2}
        dims |= {
            f"maps{i}": count * math.prod(pooled)
            for i, (count, pooled) in enumerate(zip(CHANNELS, self.shapes, strict=True))
        }
        self.whitenings = nn.ModuleDict(
            {name: Whitening(n, 0 if name == "thumbnails" else directions) for name, n in dims.items()}
        )

    def plain(self, images: Tensor, maps: Sequence[Tensor]) -> dict[str, Tensor]:
        """(B, C, H, W) in [-1, 1] and their maps -> rows (B, dims) by name, not yet whitened."""
        pooled = (
            F.adaptive_avg_pool2d(m.float(), pooled).flatten(1)
            for m, pooled in zip(maps, self.shapes, strict=True)
        )
        return {"thumbnails": thumbnail(images, THUMBNAIL_PX)} | {
            f"maps{i}": rows for i, rows in enumerate(pooled)
        }

    def by_place(self, name: str, rows: Tensor) -> Tensor:
        """Plain rows (N, dims) of a map -> (places, N, channels), in the same units as its whitened rows."""
        pooled = self.shapes[int(name.removeprefix("maps"))]
        whitening = cast(Whitening, self.whitenings[name])
        places = (whitening.scale * rows).view(len(rows), -1, math.prod(pooled)).permute(2, 0, 1)
        return places.contiguous()  # products of many small matrices are twice as fast

    def fit(self, batches: Iterable[dict[str, Tensor]]) -> None:
        """Find the directions of real pictures, given as `plain` rows."""
        known = list(batches)
        for name, whitening in self.whitenings.items():
            whitening.fit(torch.cat([rows[name] for rows in known]))  # type: ignore[operator]


def leading_directions(centred: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Principal directions (D, K) of rows (N, D) of mean 0, and their standard deviations (K), largest first.

    K is `count`, or what N and D allow. By subspace iteration from the first rows (Halko et al. 2011,
    algorithm 4.4), without randomness.
    """
    rows, dims = centred.shape
    basis = torch.linalg.qr(centred[: min(2 * count, rows, dims)].T).Q
    for _ in range(ROUNDS):
        basis = torch.linalg.qr(centred.T @ (centred @ basis)).Q
    _, deviations, turned = torch.linalg.svd(centred @ basis, full_matrices=False)
    return (basis @ turned.T)[:, :count], deviations[:count] / rows**0.5
