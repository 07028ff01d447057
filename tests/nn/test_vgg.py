"""VGG19's maps. The published weights are not to be had here: random ones stand in, in torchvision's form."""

import pytest
import torch

from impasto.errors import MissingDependencyError
from impasto.nn import vgg
from impasto.nn.vgg import LAYERS, WEIGHTS, Vgg19


@pytest.fixture
def hub(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    return tmp_path / "checkpoints" / WEIGHTS


def test_without_the_file_it_says_where_it_belongs(hub):
    with pytest.raises(MissingDependencyError, match=WEIGHTS) as error:
        Vgg19()
    assert "feature_network" in error.value.hint


def test_the_maps_are_torchvisions(hub):
    from torchvision.models import vgg19

    torch.manual_seed(0)
    whole = vgg19(weights=None).eval()
    torch.save(whole.state_dict(), hub)
    net = Vgg19().train()
    assert not net.training
    images = torch.rand(1, 3, 32, 48) * 2 - 1
    images.requires_grad_(True)
    maps = net(images)
    assert [tuple(m.shape[1:]) for m in maps] == [
        (64, 32, 48), (128, 16, 24), (256, 8, 12), (512, 4, 6), (512, 2, 3)
    ]  # fmt: skip
    mean, deviation = (torch.tensor(t).view(3, 1, 1) for t in (vgg._MEAN, vgg._DEVIATION))
    with torch.no_grad():
        x = (images.detach() / 2 + 0.5 - mean) / deviation
        for index, layer in enumerate(whole.features):
            x = layer(x)
            if index == LAYERS[-1]:
                assert torch.allclose(maps[-1], x, atol=1e-5)
                break
    sum(m.mean() for m in maps).backward()
    assert images.grad.abs().sum() > 0
    assert all(p.grad is None for p in net.parameters())
