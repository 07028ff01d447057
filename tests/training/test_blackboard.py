"""Messages through shared memory: whole, in order, alike for all; nobody waits for the dead."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

blackboard = pytest.importorskip("impasto.training.blackboard", exc_type=ImportError)


@pytest.fixture
def memory(tmp_path):
    """A file as large as `world` processes need, by its path."""

    def make(world):
        path = tmp_path / "memory"
        path.write_bytes(bytes(blackboard.size(world)))
        return path

    return make


def together(path, world, do):
    """`do(board)` by one thread for each process; what they return, in the order of ranks."""

    def one(rank):
        return do(blackboard.Blackboard(os.open(path, os.O_RDWR), rank, world))

    with ThreadPoolExecutor(world) as pool:
        return list(pool.map(one, range(world)))


def test_sums_of_many_messages(memory):
    def add(board):
        sums = []
        for message in range(200):
            value = torch.full((3,), float(100 * message + board.rank))
            board.add_up([value])
            sums.append(value[0].item())
        return sums

    expected = [300.0 * message + 3 for message in range(200)]
    assert together(memory(3), 3, add) == [expected] * 3


def test_a_message_of_tensors_of_all_kinds_and_sizes(memory):
    wide = blackboard.SLOT_BYTES // 4 + 7  # more than a slot holds

    def tensors(rank):
        rng = torch.Generator().manual_seed(rank)
        shapes = [(5,), (), (wide,), (2, 3, 4, 5), (0,)]
        found = [torch.randn(shape, generator=rng) for shape in shapes]
        found[3] = found[3].to(memory_format=torch.channels_last)
        return [*found, torch.randn(9, generator=rng, dtype=torch.float64)]

    def add(board):
        mine = tensors(board.rank)
        board.add_up(mine)
        return mine

    sums = together(memory(2), 2, add)
    for first, second, *parts in zip(*sums, tensors(0), tensors(1), strict=True):
        assert torch.equal(first, second)
        assert torch.equal(first, parts[0] + parts[1])


def test_gathered_in_the_order_of_ranks(memory):
    found = together(memory(3), 3, lambda board: board.gather(torch.tensor([[board.rank, 7.0]])))
    for parts in found:
        assert [part.tolist() for part in parts] == [[[0.0, 7.0]], [[1.0, 7.0]], [[2.0, 7.0]]]


def test_who_has_ended_is_not_waited_for(memory):
    path = memory(2)
    other = (
        "import os, sys, torch; from impasto.training.blackboard import Blackboard;"
        "board = Blackboard(os.open(sys.argv[1], os.O_RDWR), 1, 2);"
        "board.add_up([torch.ones(2)])"
    )
    with subprocess.Popen([sys.executable, "-c", other, str(path)]):
        board = blackboard.Blackboard(os.open(path, os.O_RDWR), 0, 2)
        while board._has_ended(1) and not board._counts[blackboard.LINE // 8]:
            pass  # it has not begun
        ones = torch.ones(2)
        board.add_up([ones])
        assert ones.tolist() == [2.0, 2.0]
        with pytest.raises(blackboard.LostError, match="process 1 has ended"):
            board.add_up([ones])
