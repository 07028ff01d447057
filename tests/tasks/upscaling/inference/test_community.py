"""Files of weights from anywhere: nothing in them runs, and a small file makes no large network."""

import io
import os
import pickle
import tarfile
import warnings
import zipfile
from contextlib import suppress

import pytest
import torch
from safetensors.torch import save_file

from impasto.errors import CheckpointError
from impasto.tasks.upscaling.inference import community
from impasto.tasks.upscaling.inference.upscalers import load_upscaler

pytest.importorskip("spandrel")


class WritesAFile:
    """A pickle of this makes a file when it is read."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def program(sprung):
    """A TorchScript archive that makes a file when it is read."""

    class Trap(torch.nn.Module):
        def __init__(self, path: str):
            super().__init__()
            self.w = torch.zeros(3)
            self.path = path

        def forward(self, x):
            return x

        @torch.jit.export
        def __getstate__(self):
            return (self.w, self.training, self.path)

        @torch.jit.export
        def __setstate__(self, state: tuple[torch.Tensor, bool, str]):
            self.w = state[0]
            self.training = state[1]
            self.path = state[2]
            torch.save(state[0], state[2])

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        buffer = io.BytesIO()
        torch.jit.save(torch.jit.script(Trap(str(sprung))), buffer)
    sprung.unlink(missing_ok=True)  # scripting may have run it, too
    return buffer.getvalue()


def compact(**changes):
    """The weights of a small network that spandrel knows."""
    torch.manual_seed(0)
    weights = {"body.0.weight": torch.randn(8, 3, 3, 3), "body.0.bias": torch.zeros(8)}
    weights |= {"body.1.weight": torch.ones(8), "body.2.weight": torch.randn(8, 8, 3, 3)}
    weights |= {"body.2.bias": torch.zeros(8), "body.3.weight": torch.ones(8)}
    weights |= {"body.4.weight": torch.randn(12, 8, 3, 3), "body.4.bias": torch.zeros(12)}
    return weights | changes


def packed(tree, **how):
    buffer = io.BytesIO()
    torch.save(tree, buffer, **how)
    return buffer.getvalue()


def legacy_tar(trap):
    """The oldest form of PyTorch's files: pickles in a tar."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in ("sys_info", "pickle", "storages", "tensors"):
            content = pickle.dumps(trap, protocol=2)
            about = tarfile.TarInfo(name)
            about.size = len(content)
            archive.addfile(about, io.BytesIO(content))
    return buffer.getvalue()


@pytest.mark.parametrize("suffix", community.SUFFIXES)
def test_nothing_in_a_file_is_run(tmp_path, suffix, recwarn):
    sprung = tmp_path / "sprung"
    trap = WritesAFile(sprung)
    whole = program(sprung)
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        renamed = io.BytesIO()
        with zipfile.ZipFile(renamed, "w", zipfile.ZIP_STORED) as other:
            for name in archive.namelist():
                other.writestr(f"deeper/{name}", archive.read(name))
    files = {
        "torchscript": whole,
        "torchscript-renamed": renamed.getvalue(),
        "pickle": pickle.dumps(trap, protocol=2),
        "zip": packed({"params": trap}),
        "legacy": packed({"params": trap}, _use_new_zipfile_serialization=False),
        "tar": legacy_tar(trap),
        "list": packed([1, 2]),
        "empty": b"",
    }
    for name, content in files.items():
        path = tmp_path / f"{name}{suffix}"
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match="cannot be used"):
            load_upscaler(path)
        assert not sprung.exists(), name


def test_a_program_runs_where_spandrel_reads_it(tmp_path):
    """So the test above tests something."""
    import spandrel

    sprung = tmp_path / "sprung"
    (tmp_path / "x.pth").write_bytes(program(sprung))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with suppress(Exception):  # whatever it is, it comes too late
            spandrel.ModelLoader(device="cpu").load_from_file(tmp_path / "x.pth")
    assert sprung.exists()


@pytest.mark.parametrize("how", ["zip", "legacy", "safetensors", "nested"])
def test_weights_alone_are_read(tmp_path, how):
    path = tmp_path / f"theirs.{'safetensors' if how == 'safetensors' else 'pth'}"
    if how == "safetensors":
        save_file(compact(), path)
    else:
        tree = {"params_ema": compact(), "params": compact()} if how == "nested" else compact()
        path.write_bytes(packed(tree, _use_new_zipfile_serialization=how != "legacy"))
    assert community.load_community(path).scale == 2


def test_a_small_file_makes_no_large_network(tmp_path):
    layers = {f"body.{i}.weight": torch.zeros(1) for i in range(20)}
    deep: object = compact()
    for _ in range(20):
        deep = {"params": deep}
    wide = torch.zeros(1).expand(30_000, 30_000, 3, 3)
    heads = {"weight": torch.zeros(20_000, 3, 3, 3), "bias": torch.zeros(20_000)}
    cases = {
        "follows": compact(**{"body.1_000_000_000.weight": torch.zeros(12, 8, 3, 3)}),
        "follows 21 layers": layers | {"body.100000000.bias": torch.zeros(1)},
        "fewer numbers than": compact(**{"body.2.weight": wide}),
        "NaN": compact(**{"body.3.weight": torch.full((8,), float("nan"))}),
        "too deep": deep,
        "no ordinary tensor": compact(more=torch.zeros(3, 3).to_sparse()),
        "out of all proportion": compact(**{f"body.0.{name}": t for name, t in heads.items()}),
        "0 tensors": {"a": 1},
    }
    for words, tree in cases.items():
        path = tmp_path / "x.pth"
        path.write_bytes(packed(tree))
        with pytest.raises(CheckpointError, match=words):
            community.load_community(path)
    squeezed = tmp_path / "squeezed.pth"
    whole = io.BytesIO(packed(compact(more=torch.zeros(10**6))))
    with zipfile.ZipFile(whole) as archive, zipfile.ZipFile(squeezed, "w", zipfile.ZIP_DEFLATED) as other:
        for name in archive.namelist():
            other.writestr(name, archive.read(name))
    with pytest.raises(CheckpointError, match="compressed"):
        community.load_community(squeezed)


def test_an_old_pytorch_reads_no_pickles(tmp_path, monkeypatch):
    (tmp_path / "x.pth").write_bytes(packed(compact()))
    save_file(compact(), tmp_path / "x.safetensors")
    monkeypatch.setattr(torch, "__version__", "2.9.1+cpu")
    with pytest.raises(CheckpointError, match=r"PyTorch 2\.9\.1"):
        community.load_community(tmp_path / "x.pth")
    assert community.load_community(tmp_path / "x.safetensors").scale == 2
