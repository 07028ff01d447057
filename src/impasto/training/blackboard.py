"""Messages between the processes of one machine through memory that they share.

A training step on CPUs has some thirty small messages, each of which all must have before they go on. Sockets
wake threads for each of them, which takes up to two thousandths of a second; here a process that waits looks
again and again, and goes on within some millionths.
"""

import fcntl
import mmap
import os
import platform
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import mkstemp

import torch
import torch.distributed as dist
from torch import Tensor

FOLDER = "/dev/shm"
LINE = 64  # bytes: no two processes write to the same line of a processor's cache
SLOT_BYTES = (
    8 * 2**20
)  # of a message; longer ones are cut. Containers often have 64 MiB of such memory in all
EAGER_SECONDS = 0.05  # how long one waits at full speed
LOOK_EVERY_SECONDS = 0.5  # how often one who waits asks whether the others live


class LostError(RuntimeError):
    """A process that should have written has ended."""


class Blackboard:
    """Each process writes its part of a message, waits until all have, and reads all parts.

    Messages have two sets of slots in turn: who writes the next but one has seen that all have written the
    next, and so have read this one. This needs a processor that shows writes in the order in which they were
    made, as x86 does.
    """

    def __init__(self, descriptor: int, rank: int, world: int) -> None:
        self.rank, self.world, self._file = rank, world, descriptor
        self._memory = mmap.mmap(descriptor, size(world))
        self._counts = memoryview(self._memory)[: LINE * world].cast("q")
        slots = torch.frombuffer(self._memory, dtype=torch.uint8, offset=LINE * world)
        self._slots = slots.view(2, world, SLOT_BYTES)
        self._written = 0
        fcntl.lockf(descriptor, fcntl.LOCK_EX, 1, rank)  # until this process ends, however that comes

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        """Each tensor becomes, in place, the sum of all processes' ones, in the order of their ranks.

        They are dense, and of the same shapes, strides and types everywhere.
        """
        for message in _messages([t.as_strided((t.numel(),), (1,)) for t in tensors]):
            parts = self._exchange(message)
            torch._foreach_copy_(message, parts[0])
            for part in parts[1:]:
                torch._foreach_add_(message, part)

    def gather(self, tensor: Tensor) -> list[Tensor]:
        """All processes' tensors of this shape and type, of at most `SLOT_BYTES`, in the order of ranks."""
        return [part[0].view(tensor.shape).clone() for part in self._exchange([tensor.reshape(-1)])]

    def _exchange(self, message: list[Tensor]) -> list[list[Tensor]]:
        slots = self._slots[self._written % 2]
        parts = [list(_laid_out(message, slot)) for slot in slots.unbind()]
        torch._foreach_copy_(parts[self.rank], message)
        self._written += 1
        self._counts[LINE // 8 * self.rank] = self._written
        for other in range(self.world):
            if self._counts[LINE // 8 * other] < self._written:
                self._wait_for(other)
        return parts

    def _wait_for(self, other: int) -> None:
        began = looked = time.monotonic()
        while self._counts[LINE // 8 * other] < self._written:
            os.sched_yield()
            now = time.monotonic()
            if now - began > EAGER_SECONDS:  # the first one measures or draws: let it have the processor
                time.sleep(1e-3)
            if now - looked > LOOK_EVERY_SECONDS:
                looked = now
                if self._has_ended(other) and self._counts[LINE // 8 * other] < self._written:
                    raise LostError(f"process {other} has ended")

    def _has_ended(self, other: int) -> bool:
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, other)
        except OSError:
            return False
        fcntl.lockf(self._file, fcntl.LOCK_UN, 1, other)
        return True


def size(world: int) -> int:
    """Bytes of memory that so many processes share."""
    return world * (LINE + 2 * SLOT_BYTES)


def set_up() -> Blackboard | None:
    """The blackboard of the processes that have met, or None where they do not all see one.

    It needs one machine with Linux and x86, and room in its shared memory. All processes call this together.
    """
    board, name = None, None
    first, world = dist.get_rank() == 0, dist.get_world_size()
    if first and platform.machine() == "x86_64":
        with suppress(OSError):
            descriptor, name = mkstemp(dir=FOLDER, prefix="impasto-")
            os.posix_fallocate(descriptor, 0, size(world))
            board = Blackboard(descriptor, 0, world)
    said = [name if board else None]
    dist.broadcast_object_list(said, 0)
    if said[0] and not first:
        with suppress(OSError):
            board = Blackboard(os.open(said[0], os.O_RDWR), dist.get_rank(), world)
    seen = torch.tensor(int(board is not None))
    dist.all_reduce(seen, dist.ReduceOp.MIN)
    if name:
        Path(name).unlink()  # the memory stays as long as somebody has it
    return board if seen else None


def _messages(flat: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    """The tensors (n,), cut and put together to what fits into a slot."""
    message: list[Tensor] = []
    left = SLOT_BYTES
    for tensor in flat:
        for piece in torch.split(tensor, SLOT_BYTES // tensor.element_size()):
            if _room(piece) > left:
                yield message
                message, left = [], SLOT_BYTES
            message.append(piece)
            left -= _room(piece)
    if message:
        yield message


def _laid_out(message: Sequence[Tensor], slot: Tensor) -> Iterator[Tensor]:
    """Where each tensor of a message lies in a slot."""
    at = 0
    for tensor in message:
        yield slot[at : at + tensor.nbytes].view(tensor.dtype)
        at += _room(tensor)


def _room(tensor: Tensor) -> int:
    return -(-tensor.nbytes // LINE) * LINE
