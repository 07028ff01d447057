"""VGG19's maps, SRGAN's features (Simonyan & Zisserman 2015), where torchvision's weights are on the disk."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from impasto.errors import MissingDependencyError
from impasto.nn.frozen import FrozenMaps

WEIGHTS = "vgg19-dcbb9e9d.pth"  # torchvision's name for them
LAYERS = (2, 7, 16, 25, 34)  # conv1_2, 2_2, 3_4, 4_4 and 5_4, before their activations
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Vgg19(FrozenMaps):
    """Pictures (B, 3, H, W) in [-1, 1] -> five maps, 64 to 512 channels, at strides 1 to 16.

    Nothing is downloaded: raises `MissingDependencyError` where torchvision's file is not in PyTorch's own
    folder for such files.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self) -> None:
        super().__init__()
        from torchvision.models import vgg19

        net: Any = vgg19(weights=None)
        net.load_state_dict(torch.load(weights_path(), map_location="cpu", weights_only=True))
        self.layers = net.features[: LAYERS[-1] + 1]
        for layer in self.layers:
            if hasattr(layer, "inplace"):
                layer.inplace = False  # the maps that are handed out lie before it
        self.register_buffer("mean", torch.tensor(_MEAN).view(3, 1, 1))
        self.register_buffer("deviation", torch.tensor(_DEVIATION).view(3, 1, 1))
        self.freeze()

    def forward(self, images: Tensor) -> list[Tensor]:
        """The same; use the call."""
        x = (images.float() * 0.5 + 0.5 - self.mean) / self.deviation
        maps = []
        for index, layer in enumerate(self.layers):
            x = layer(x)
            if index in LAYERS:
                maps.append(x)
        return maps


def weights_path() -> Path:
    """Where torchvision keeps the weights. Raises `MissingDependencyError` where they are not."""
    path = Path(torch.hub.get_dir()) / "checkpoints" / WEIGHTS
    if not path.is_file():
        raise MissingDependencyError(
            f"the weights of VGG19 are not at '{path}'",
            f"put torchvision's {WEIGHTS} there, or set restoration.feature_network to lite1",
        )
    return path
