import pytest
import torch
from torch import nn

from impasto.nn.onnx_graph import traced


class Network(nn.Sequential):
    """A network that tells when it is moved."""

    moved = False

    def cpu(self):
        self.moved = True
        return super().cpu()


def test_a_network_that_is_exported_stays_where_and_as_it_is():
    pytest.importorskip("onnxscript")
    network = Network(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout())
    network[1].eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    assert traced(network, {"x": torch.zeros(1, 3, 8, 8)}, ({},), "y")
    assert not network.moved
    assert [m.training for m in network.modules()] == [True, True, False, True]
    assert all(p.requires_grad for p in network.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
