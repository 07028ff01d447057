"""A loss of your own with the library's data, networks and penalty, in a loop of your own.

    python examples/custom_loss.py pictures sheet.png 2000

A loss here is a pure function from logits to values per sample, as in impasto/nn/losses/adversarial.py.
"""

import sys
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import softplus

import impasto
from impasto.image.codec import to_tensor
from impasto.image.files import grid, save
from impasto.nn.losses.adversarial import generator_non_saturating
from impasto.nn.losses.penalties import squared_gradient_norm
from impasto.tasks.generation.networks import build_discriminator, build_generator
from impasto.tasks.generation.rendering import render


def one_sided(real: Tensor, fake: Tensor, certainty: float = 0.9) -> Tensor:
    """-(0.9 log D(x) + 0.1 log(1 - D(x)) + log(1 - D(G(z)))): D's labels for real pictures smoothed, those
    for generated ones not (Salimans et al. 2016, section 3.4). (B,) and (B,) -> (B,)."""  # fmt: skip
    return certainty * softplus(-real) + (1 - certainty) * softplus(real) + softplus(fake)


def main(pictures: str, sheet: str, steps: str, *settings: str) -> None:
    cfg = impasto.load_config("dcgan", ["image.size=32", *settings])
    batches = impasto.open_folder(Path(pictures), cfg.data, cfg.image, seed=0).batches(32, seed=0)
    torch.manual_seed(0)
    G, D = build_generator(cfg.model, cfg.image), build_discriminator(cfg.model, cfg.image)
    g_optimizer = torch.optim.Adam(G.parameters(), lr=2e-4, betas=(0.5, 0.99))
    d_optimizer = torch.optim.Adam(D.parameters(), lr=2e-4, betas=(0.5, 0.99))
    rng = torch.Generator().manual_seed(0)
    for step in range(int(steps)):
        real = to_tensor(batches.next()).requires_grad_()
        real_logits, fake_logits = D(real), D(G(G.sample_latents(len(real), rng)).detach())
        d_loss = one_sided(real_logits, fake_logits) + 0.5 * squared_gradient_norm(real_logits, real)
        d_optimizer.zero_grad()
        d_loss.mean().backward()
        d_optimizer.step()

        g_loss = generator_non_saturating(D(G(G.sample_latents(len(real), rng)))).mean()
        g_optimizer.zero_grad()
        g_loss.backward()
        g_optimizer.step()
        if step % 100 == 0:
            print(f"step {step}: D {d_loss.mean():.3f}, G {g_loss:.3f}")
    save(grid(render(G.eval(), range(16))), Path(sheet))


if __name__ == "__main__":
    main(*sys.argv[1:])
