import torch

from impasto.tasks.generation.sampling.recolour import lightness, recolour


def pictures(seed, channels=3):
    return torch.rand(2, channels, 16, 16, generator=torch.Generator().manual_seed(seed)) * 1.6 - 0.8


def test_a_picture_in_its_own_colours_is_itself():
    images = pictures(0)
    assert torch.equal(recolour(images, images.clone()), images)


def test_a_grey_picture_takes_the_tint_and_keeps_its_lightness():
    grey = pictures(0, 1).expand(-1, 3, -1, -1) * 0.7
    tint = torch.tensor([0.2, -0.2, 0.3])
    tint = tint - (tint * torch.tensor([0.299, 0.587, 0.114])).sum()  # of no lightness
    made = recolour(grey, grey + tint[:, None, None])
    assert torch.allclose(made, grey + tint[:, None, None], atol=1e-4)
    assert torch.allclose(lightness(made), lightness(grey), atol=1e-4)


def test_white_paper_stays_white():
    drawing, other = torch.ones(1, 3, 8, 8), torch.ones(1, 3, 8, 8)
    drawing[:, :, 2:5, 2:5] = torch.tensor([0.9, 0.2, -0.8])[:, None, None]
    other[:, :, 1:7, 1:7] = torch.tensor([-0.8, 0.3, 0.8])[:, None, None]
    made = recolour(drawing, other)
    assert torch.allclose(made[:, :, 0, 0], torch.ones(1, 3), atol=1e-3)
    assert made[0, 2, 3, 3] > made[0, 0, 3, 3]


def test_grey_stays_grey_and_alpha_stays():
    grey = pictures(0, 1)
    assert torch.equal(recolour(grey, pictures(1, 1)), grey)
    clear = pictures(0, 4)
    assert torch.equal(recolour(clear, pictures(1, 4))[:, 3], clear[:, 3])
