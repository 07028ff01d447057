"""What every test may rely on."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prepared pictures go to a folder of the test's own, never to the user's."""
    monkeypatch.setenv("IMPASTO_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(autouse=True, scope="session")
def hang_up_is_heard() -> Iterator[None]:
    """Under `nohup` SIGHUP is ignored, here and in every process that a test starts."""
    number = getattr(signal, "SIGHUP", signal.SIGTERM)
    before = signal.getsignal(number)
    if before == signal.SIG_IGN:
        signal.signal(number, signal.SIG_DFL)
    yield
    signal.signal(number, before)


@pytest.fixture
def realdata() -> Path:
    """The folder of real pictures; the test is skipped where it is absent."""
    folder = Path(os.environ.get("IMPASTO_REALDATA", "../shared/data")).resolve()
    if not folder.is_dir():
        pytest.skip("no real pictures: set IMPASTO_REALDATA")
    return folder


@pytest.fixture(scope="session")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 96 small drawings: discs and squares of varied place, size and colour on white."""
    folder = tmp_path_factory.mktemp("shapes")
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:32, :32]
    for i in range(96):
        pixels = np.full((32, 32, 3), 255, np.uint8)
        centre, radius = rng.uniform(10, 22, 2), rng.uniform(5, 9)
        down, right = np.abs(rows - centre[0]), np.abs(columns - centre[1])
        inside = np.hypot(down, right) < radius if i % 2 else np.maximum(down, right) < radius
        pixels[inside] = rng.integers(0, 200, 3)
        theme = folder / ("discs" if i % 2 else "squares")
        theme.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(theme / f"{i:03}.png")
    return folder


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an upscaler x4."""
    from tests.small_models import tiny_model

    return tiny_model(tmp_path_factory.mktemp("tiny") / "tiny")


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixteen pictures of 96 x 120 px with edges and grain, and one that is too small."""
    from tests.pictures import painting

    folder = tmp_path_factory.mktemp("photos")
    for i in range(16):
        Image.fromarray(painting(96, 120 - i, seed=i)).save(folder / f"{i:02}.png")
    Image.fromarray(painting(20, 20)).save(folder / "small.png")
    return folder
