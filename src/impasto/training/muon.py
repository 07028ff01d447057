"""Muon: momentum whose matrices are made orthogonal before they are applied (Jordan et al. 2024).

Every direction of a weight matrix then learns at one pace, the strong and the faint alike. On small upscalers
half the steps reach what Adam reaches (docs/research.md).
"""

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

# Newton-Schulz of degree five: brings singular values in (0, 1] to about 1 (0.7 to 1.2) in five rounds.
COEFFICIENTS, ROUNDS = (3.4445, -4.7750, 2.0315), 5
RMS = 0.2  # of an update's entries, about Adam's: its learning rates hold (Liu et al. 2025, section 2.2)
EPSILON = 1e-8


class Muon(Optimizer):
    """Muon for weights of two dimensions and more, a kernel as (out, the rest); Adam for biases and gains.

    Weights and momenta keep their precision, whatever `dtype` is.

    Args:
        parameters: Weights to optimise.
        lr: Learning rate, of Adam's size.
        momentum: Share of the momentum that is kept in each step, in [0, 1).
        betas: Adam's two decay rates, each in [0, 1).
        dtype: Precision of the products that make a matrix orthogonal. bfloat16 serves (Jordan et al. 2024)
            and is quicker where the machine has it.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        *,
        lr: float,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.99),
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "betas": betas})
        self.dtype = dtype

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One step on the gradients that there are."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            present = [p for p in group["params"] if p.grad is not None]
            by_shape: dict[tuple[int, int], list[Tensor]] = {}
            for weight in present:
                if weight.ndim >= 2:
                    by_shape.setdefault((len(weight), weight[0].numel()), []).append(weight)
                else:
                    self._adam(weight, group)
            for shape, weights in by_shape.items():
                self._muon(weights, shape, group)
        return loss

    def _muon(self, weights: list[Tensor], shape: tuple[int, int], group: dict[str, Any]) -> None:
        """Weights of one shape together: a few products of stacked matrices in place of many small ones."""
        ahead = []
        for weight in weights:
            gradient, state = weight.grad, self.state[weight]
            assert gradient is not None
            if not state:
                state["momentum"] = torch.zeros_like(weight)
            momentum = state["momentum"].lerp_(gradient, 1 - group["momentum"])
            ahead.append(gradient.lerp(momentum, group["momentum"]).reshape(shape))  # Nesterov's look ahead
        updates = orthogonal(torch.stack(ahead), self.dtype).unbind()
        pace = group["lr"] * RMS * math.sqrt(max(shape))
        for weight, update in zip(weights, updates, strict=True):
            weight.add_(update.view(weight.shape), alpha=-pace)

    def _adam(self, weight: Tensor, group: dict[str, Any]) -> None:
        gradient, state = weight.grad, self.state[weight]
        assert gradient is not None
        if not state:
            state["step"] = torch.zeros(())
            state["first"], state["second"] = torch.zeros_like(weight), torch.zeros_like(weight)
        (beta1, beta2), step = group["betas"], float(state["step"].add_(1))
        first = state["first"].lerp_(gradient, 1 - beta1)
        second = state["second"].mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
        spread = second.div(1 - beta2**step).sqrt_().add_(EPSILON)
        weight.addcdiv_(first, spread, value=-group["lr"] / (1 - beta1**step))


def orthogonal(matrices: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """(N, m, n) -> the same with each matrix's singular values brought near 1; a matrix of zeros stays so.

    Its products are computed in `dtype`; what comes back has the type of what came.
    """
    a, b, c = COEFFICIENTS
    x = (matrices / (torch.linalg.matrix_norm(matrices)[:, None, None] + 1e-7)).to(dtype)
    tall = x.shape[1] > x.shape[2]
    x = x.mT if tall else x
    for _ in range(ROUNDS):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    made: Tensor = (x.mT if tall else x).to(matrices.dtype)
    return made
