"""Networks that are computed on one thread."""

import pytest
import torch
from torch import nn

from impasto.studio.calm import on_one_thread


class Counting(nn.Module):
    def forward(self, fail):
        self.threads = torch.get_num_threads()
        if fail:
            raise ValueError
        return fail


@pytest.fixture
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def test_one_inside_and_as_many_as_before_outside(three_threads):
    network = Counting()
    network(False)
    assert network.threads == 3
    on_one_thread(network)
    network(False)
    assert (network.threads, torch.get_num_threads()) == (1, 3)
    with pytest.raises(ValueError):  # noqa: PT011
        network(True)
    assert torch.get_num_threads() == 3


def test_small_generators_of_a_catalogue_are(workspace, three_threads):
    from impasto.studio.catalogue import Catalogue

    threads = []
    model = Catalogue([workspace]).generator("tiny")
    model.generator.register_forward_pre_hook(lambda *_: threads.append(torch.get_num_threads()))
    model.generate([1])
    assert (threads, torch.get_num_threads()) == ([1], 3)
