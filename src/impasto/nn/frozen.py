"""What all networks have in common that help to train or to measure and never learn themselves."""

from torch import Tensor, nn


class Frozen(nn.Module):
    """Always in evaluation mode, its weights without gradients; pictures that go through it keep theirs.

    Its weights come from an installed package or a file, so they are no part of any checkpoint. A subclass
    ends its `__init__` with `self.freeze()`.
    """

    def freeze(self) -> None:
        """No weight takes a gradient from here on."""
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> "Frozen":
        """Stays in evaluation mode, also inside a model that is put into training mode."""
        return super().train(False)


class FrozenMaps(Frozen):
    """A frozen network of which the maps between its layers are wanted."""

    def __call__(self, images: Tensor) -> list[Tensor]:
        """(B, C, H, W) in [-1, 1] -> maps, finest first. Raises `InputError` for another shape."""
        maps: list[Tensor] = super().__call__(images)
        return maps
