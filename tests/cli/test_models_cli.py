"""`impasto models`: what comes with the package."""

import json

from impasto.training.checkpoints import shipped_models
from tests.cli.running import impasto


def test_every_model_is_told_of(monkeypatch, capsys):
    code, text, _ = impasto(monkeypatch, capsys, "models")
    assert code == 0
    assert all(name in text for name in shipped_models())
    code, text, _ = impasto(monkeypatch, capsys, "models", "--json")
    found = {model["name"]: model for model in json.loads(text)}
    assert sorted(found) == shipped_models()
    assert {found.pop("fashion-32")["licence"]} == {"MIT"}
    assert {model["licence"] for model in found.values()} == {"CC BY-SA 4.0"}
    assert found["photo-x2"]["makes"] == "pictures 2 times larger"
    painter = found["openmoji-64"]
    assert painter["makes"] == "new pictures of 64 px, 10 themes"
    assert "food-drink" in painter["themes"]
