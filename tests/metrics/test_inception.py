"""The published FID: found weights, no code run from them, and the right network around them."""

import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from impasto.errors import InputError, MissingDependencyError
from impasto.metrics import inception
from impasto.metrics.distances import frechet_distance
from impasto.metrics.inception import WEIGHTS_FILE, find_inception_weights, load_inception, published_fid


class Bomb:
    """Touches a file when it is unpickled without restriction."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return Path.touch, (self.target,)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Random weights of Inception's shapes in a file, as the published ones are stored."""
    published = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(published, "load_state_dict_from_url", lambda *_, **__: {})  # it would download
        patch.setattr(torch.nn.Module, "load_state_dict", lambda *_: None)
        torch.manual_seed(0)
        network = published.FeatureExtractorInceptionV3("inception-v3-compat", ["2048"])
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):  # keeps the scale; torch's own shrinks it to slow denormals
            torch.nn.init.kaiming_normal_(module.weight)
    path = tmp_path_factory.mktemp("inception") / WEIGHTS_FILE
    torch.save(network.state_dict(), path)
    return path


def test_finds_what_the_environment_names_first(tmp_path, monkeypatch):
    monkeypatch.delenv("IMPASTO_INCEPTION", raising=False)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    assert find_inception_weights() is None
    cached = tmp_path / "checkpoints" / WEIGHTS_FILE
    cached.parent.mkdir()
    cached.touch()
    assert find_inception_weights() == cached
    named = tmp_path / "mine.pth"
    monkeypatch.setenv("IMPASTO_INCEPTION", str(named))
    with pytest.raises(InputError, match=r"mine\.pth"):
        find_inception_weights()
    named.touch()
    assert find_inception_weights() == named


def test_fid_is_the_distance_of_the_published_features(weights):
    pixels = np.random.default_rng(0).integers(0, 256, (4, 20, 20, 3), dtype=np.uint8)
    real, fake = pixels[:2], pixels[2:] // 2
    network = load_inception(weights)
    features = [network(torch.from_numpy(p).permute(0, 3, 1, 2))[0] for p in (real, fake)]
    assert features[0].shape == (2, 2048)
    found = published_fid([real[:1], real[1:]], [fake], weights)
    assert found == pytest.approx(frechet_distance(*features), rel=1e-3)
    assert found > 0


def test_a_weight_file_cannot_run_code(tmp_path):
    pytest.importorskip("torch_fidelity")
    touched, loaded = tmp_path / "touched", tmp_path / "evil.pth"
    torch.save({"weight": Bomb(touched)}, loaded)
    with pytest.raises(InputError, match="no weights that are safe to read"):
        load_inception(loaded)
    assert not touched.exists()
    torch.load(loaded, weights_only=False)
    assert touched.exists()  # the file is as bad as it should be
    loaded.write_bytes(pickle.dumps(Bomb(tmp_path / "again"), protocol=2))
    with pytest.raises(InputError, match="no weights that are safe to read"):
        load_inception(loaded)
    assert not (tmp_path / "again").exists()


@pytest.mark.parametrize("content", [b"", b"not a weight file", {"weight": torch.zeros(3)}, [torch.zeros(3)]])
def test_foreign_files_are_refused(tmp_path, content):
    pytest.importorskip("torch_fidelity")
    path = tmp_path / "weights.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(InputError, match=r"weights\.pth"):
        load_inception(path)


def test_grey_is_repeated_and_alpha_goes_on_white():
    grey = np.arange(8, dtype=np.uint8).reshape(1, 2, 4, 1)
    assert (inception._rgb(grey) == grey).all()
    assert inception._rgb(grey).shape == (1, 2, 4, 3)
    pixel = np.array([10, 20, 30, 51], np.uint8).reshape(1, 1, 1, 4)  # a fifth of it on white
    assert inception._rgb(pixel).ravel().tolist() == [206, 208, 210]
    with pytest.raises(InputError, match="uint8"):
        inception._rgb(np.zeros((1, 2, 2, 3), np.float32))  # type: ignore[arg-type]


def test_missing_package_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch_fidelity", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'impasto\[fid\]'"):
        published_fid([], [], tmp_path / "weights.pth")
