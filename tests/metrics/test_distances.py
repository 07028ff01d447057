"""Fréchet and kernel distance: closed forms, hand-computed values, and torchmetrics as the oracle."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from impasto.errors import InputError
from impasto.metrics import distances
from impasto.metrics.distances import frechet_distance, kernel_distance


def normal(count: int, dim: int, seed: int) -> Tensor:
    return torch.randn(count, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def whitened(count: int, dim: int, seed: int) -> Tensor:
    """(count, dim) of mean exactly 0 and covariance exactly the identity."""
    x = normal(count, dim, seed)
    x = x - x.mean(0)
    factor = torch.linalg.cholesky(x.T @ x / (count - 1))
    return torch.linalg.solve_triangular(factor, x.T, upper=False).T


class Tiny(nn.Module):
    """Features of pictures, for torchmetrics: a fixed projection to 12."""

    num_features = 12

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("matrix", normal(3 * 8 * 8, 12, 5).float())

    def forward(self, images: Tensor) -> Tensor:
        return images.float().flatten(1) @ self.matrix / 1000


def test_frechet_by_hand_in_one_dimension():
    """Means 1 and 5, variances 1 and 4: 16 + (1 - 2)^2 = 17."""
    assert frechet_distance(
        torch.tensor([[0.0], [1], [2]]), torch.tensor([[3.0], [5], [7]])
    ) == pytest.approx(17)


def test_frechet_of_gaussians_with_known_covariance():
    """Diagonal: |m|^2 + sum (s - t)^2, whatever orthogonal frame it is seen in."""
    s, t = torch.tensor([1.0, 2, 3, 0]).double(), torch.tensor([2.0, 2, 1, 5]).double()
    shift = torch.tensor([1.0, 0, -2, 0]).double()
    frame = torch.linalg.qr(normal(4, 4, 9)).Q
    x, y = whitened(50, 4, 0) * s @ frame, (whitened(80, 4, 1) * t + shift) @ frame
    assert frechet_distance(x, y) == pytest.approx(5 + float((s - t).square().sum()), rel=1e-9)


def test_frechet_of_covariances_that_do_not_commute():
    """Against the formula with a matrix root by eigenvalues: Tr sqrt(sqrt(C) K sqrt(C))."""
    a, b = normal(3, 3, 0), normal(3, 3, 1)
    values, vectors = torch.linalg.eigh(a.T @ a)
    root = vectors * values.sqrt() @ vectors.T
    cross = torch.linalg.eigvalsh(root @ b.T @ b @ root).clamp_min(0).sqrt().sum()
    expected = a.square().sum() + b.square().sum() - 2 * cross
    x, y = whitened(40, 3, 2) @ a, whitened(40, 3, 3) @ b
    assert frechet_distance(x, y) == pytest.approx(float(expected), rel=1e-8)


@pytest.mark.parametrize(("n", "m"), [(40, 30), (8, 7), (40, 7), (7, 40)])
def test_frechet_is_symmetric_and_zero_for_the_same_rows(n, m):
    x, y = normal(n, 12, 0), normal(m, 12, 1) * 2 + 1
    assert frechet_distance(x, y) == pytest.approx(frechet_distance(y, x), rel=1e-9)
    assert frechet_distance(x, y) > 1
    assert 0 <= frechet_distance(x, x.flip(0)) < 1e-9
    doubled = torch.cat((y, y))  # the same mean, and a covariance smaller by (2m - 2) / (2m - 1) only
    assert frechet_distance(y, doubled) < 0.01 * frechet_distance(x, y)


def test_frechet_of_the_same_rows_is_not_below_zero_by_rounding():
    for seed in range(20):
        x = normal(30, 12, seed) * 1e3
        assert 0 <= frechet_distance(x, x.flip(0)) < 1e-4


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 12), st.integers(2, 12), st.integers(1, 6), st.floats(-1e3, 1e3))
def test_frechet_ignores_a_common_shift_and_is_never_negative(n, m, dim, shift):
    x, y = normal(n, dim, n), normal(m, dim, 100 + m)
    plain = frechet_distance(x, y)
    assert plain >= 0
    assert frechet_distance(x + shift, y + shift) == pytest.approx(plain, abs=1e-6)


@pytest.mark.filterwarnings("ignore:Metric `Kernel Inception Distance` will save:UserWarning")  # torchmetrics
@pytest.mark.parametrize("metric", ["fid", "kid"])
def test_agrees_with_torchmetrics(metric):
    pytest.importorskip("torchmetrics")
    from torchmetrics.image.fid import FrechetInceptionDistance
    from torchmetrics.image.kid import KernelInceptionDistance

    random = torch.Generator().manual_seed(0)
    real = torch.randint(0, 256, (60, 3, 8, 8), generator=random, dtype=torch.uint8)
    fake = torch.randint(0, 200, (60, 3, 8, 8), generator=random, dtype=torch.uint8)
    tiny = Tiny()
    if metric == "fid":
        oracle = FrechetInceptionDistance(feature=tiny, input_img_size=(3, 8, 8))
        ours = frechet_distance(tiny(real), tiny(fake))
    else:  # one subset of everything is the full estimate
        oracle = KernelInceptionDistance(feature=tiny, subsets=1, subset_size=60)
        ours = kernel_distance(tiny(real), tiny(fake))
    oracle.update(real, real=True)
    oracle.update(fake, real=False)
    theirs = oracle.compute()
    assert ours == pytest.approx(float(theirs if metric == "fid" else theirs[0]), rel=1e-3)
    assert ours > 0.1


def test_kernel_distance_by_hand():
    """D = 1, k(a, b) = (ab + 1)^3. Within x: k(0,1) = 1; within y: k(1,2) = 27; across: 1, 1, 8, 27."""
    x, y = torch.tensor([[0.0], [1]]), torch.tensor([[1.0], [2]])
    assert kernel_distance(x, y) == pytest.approx(1 + 27 - 2 * (1 + 1 + 8 + 27) / 4)


def test_kernel_distance_divides_by_the_dimension():
    """D = 2: k(a, b) = (a.b / 2 + 1)^3."""
    x, y = torch.tensor([[1.0, 1], [1, 1]]), torch.tensor([[0.0, 0], [0, 0]])
    assert kernel_distance(x, y) == pytest.approx(8 + 1 - 2 * 1)


def test_kernel_distance_is_symmetric_and_unbiased():
    x, y = normal(40, 6, 0), normal(30, 6, 1) + 1
    assert kernel_distance(x, y) == pytest.approx(kernel_distance(y, x), rel=1e-9)
    same = torch.tensor([kernel_distance(normal(20, 3, 2 * i), normal(20, 3, 2 * i + 1)) for i in range(400)])
    assert abs(same.mean()) < 3 * same.std() / 20  # a biased estimate is well above this
    assert (same < 0).any()


def test_kernel_distance_by_subsets_is_seeded_and_near_the_full_one(monkeypatch):
    x, y = normal(300, 4, 0), normal(250, 4, 1) + 0.5
    full = kernel_distance(x, y)
    monkeypatch.setattr(distances, "FULL_ESTIMATE", 100)
    monkeypatch.setattr(distances, "SUBSET_PICTURES", 80)
    first, again, other = (
        kernel_distance(x, y, generator=torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)
    )
    assert first == again
    assert first != other
    assert first == pytest.approx(full, rel=0.15)
    assert kernel_distance(x, y) == full  # without a generator there is no chance in it


def test_blocks_do_not_change_the_kernel_distance(monkeypatch):
    x, y = normal(25, 4, 0), normal(30, 4, 1)
    whole = kernel_distance(x, y)
    monkeypatch.setattr(distances, "CHUNK", 7)
    assert kernel_distance(x, y) == pytest.approx(whole, rel=1e-12)


@pytest.mark.parametrize("measure", [frechet_distance, kernel_distance])
def test_what_cannot_be_measured_is_refused(measure):
    fine = normal(5, 3, 0)
    with pytest.raises(InputError, match="1 pictures are too few"):
        measure(fine, fine[:1])
    with pytest.raises(InputError, match=r"\(5, 3\) and \(5, 2\)"):
        measure(fine, fine[:, :2])
    with pytest.raises(InputError, match="not finite"):
        measure(fine, fine.masked_fill(fine == fine[0, 0], torch.nan))
