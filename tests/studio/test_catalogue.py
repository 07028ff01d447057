"""Which models a studio offers, and how it computes them."""

import pytest
import torch

from impasto.studio.catalogue import Catalogue


@pytest.fixture
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def test_small_generators_of_a_catalogue_take_one_thread(workspace, three_threads):
    threads = []
    model = Catalogue([workspace]).generator("tiny")
    model.generator.register_forward_pre_hook(lambda *_: threads.append(torch.get_num_threads()))
    model.generate([1])
    assert (threads, torch.get_num_threads()) == ([1], 3)
