"""A generator that begins with another one, of other themes, draws at first what that one draws."""

import itertools

import pytest
import torch

from impasto.config.generation import ModulatedConfig
from impasto.config.shared import ImageConfig
from impasto.tasks.generation.generator import ModulatedGenerator


def generator(themes: tuple[str, ...]) -> ModulatedGenerator:
    cfg = ModulatedConfig(latent_dim=8, generator_channels=4, max_channels=8, themes=themes)
    return ModulatedGenerator(cfg, ImageConfig(size=16, channels=3)).eval()


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [((), ("a", "b", "c")), (("x", "y"), ("a", "b", "c")), (("x", "y"), ("a", "b")), (("x", "y"), ())],
)
def test_whatever_theme_is_asked_for(theirs, ours):
    torch.manual_seed(0)
    first, second = generator(theirs), generator(ours)
    second.load_state_dict(second.with_own_themes(first.state_dict()))
    noise = torch.randn(4, 8)
    right = first(torch.cat((torch.zeros(4, len(theirs)), noise), 1))
    for told in itertools.product((0.0, 1.0), repeat=len(ours)):
        z = torch.cat((torch.tensor(told).expand(4, -1), noise), 1)
        torch.testing.assert_close(second(z), right)
    assert right.std() > 0.01


@pytest.mark.parametrize("theirs", [(), ("x", "y")])
def test_and_it_can_learn_to_tell_them_apart(theirs):
    torch.manual_seed(0)
    first, second = generator(theirs), generator(("a", "b"))
    second.load_state_dict(second.with_own_themes(first.state_dict()))
    optimizer = torch.optim.Adam(second.parameters(), lr=1e-2)
    noise = torch.randn(8, 8)
    one, other = (torch.cat((torch.eye(2)[i].expand(8, -1), noise), 1) for i in (0, 1))
    for _ in range(40):
        optimizer.zero_grad()
        ((second(one) - 0.5).square().mean() + (second(other) + 0.5).square().mean()).backward()
        optimizer.step()
    assert (second(one) - second(other)).mean() > 0.5
