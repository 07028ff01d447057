import json
import pickle
import struct

import pytest
import torch

from impasto.checkpoints import ModelInfo, load_model, load_state, load_weights, save_model, save_state
from impasto.config import load_config
from impasto.errors import CheckpointError

TENSORS = {"a": torch.arange(6.0).reshape(2, 3), "b/c": torch.tensor(7, dtype=torch.int64)}


def info():
    return ModelInfo(load_config("dcgan"), 1234, data={"fingerprint": "f"}, metrics={"FD-lite0": 5.0})


def test_a_state_comes_back_whole(tmp_path):
    save_state(tmp_path / "s", TENSORS, {"images_seen": 3, "list": [1, {"x": None}]})
    tensors, values = load_state(tmp_path / "s")
    assert values == {"images_seen": 3, "list": [1, {"x": None}]}
    assert all(torch.equal(tensors[k], TENSORS[k]) and tensors[k].dtype == TENSORS[k].dtype for k in TENSORS)


def test_a_model_comes_back_whole_with_its_card(tmp_path):
    save_model(tmp_path, TENSORS, info())
    weights, about = load_model(tmp_path)
    assert torch.equal(weights["a"], TENSORS["a"])
    assert about == info()
    card = (tmp_path / "README.md").read_text()
    assert "FD-lite0" in card
    assert "licence" in card
    assert json.loads((tmp_path / "model.json").read_text())["format"] == "impasto-model"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("state") / "state.safetensors"
    save_state(path, TENSORS, {"images_seen": 3})
    return path.read_bytes()


def test_any_damage_is_refused(whole, tmp_path):
    """Every truncation and every byte with one bit flipped: refused, or without any effect."""
    path = tmp_path / "s"
    flipped = [whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :] for at in range(len(whole))]
    for damaged in (*flipped, *(whole[:length] for length in range(len(whole)))):
        path.write_bytes(damaged)
        try:
            tensors, values = load_state(path)
        except CheckpointError:
            continue
        # The padding of the header may hold anything.
        assert values == {"images_seen": 3}
        assert all(torch.equal(tensors[k], TENSORS[k]) for k in TENSORS)


def test_foreign_files_are_refused_and_never_executed(tmp_path):
    class Trap:
        def __reduce__(self):
            return open, (str(tmp_path / "sprung"), "w")

    for name, content in {
        "pickle": pickle.dumps(Trap()),
        "empty": b"",
        "text": b"hello",
        "huge-header": struct.pack("<Q", 2**62) + b"{}",
    }.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(CheckpointError, match="cannot be read"):
            load_state(tmp_path / name)
    torch.save(Trap(), tmp_path / "torch")
    with pytest.raises(CheckpointError):
        load_state(tmp_path / "torch")
    assert not (tmp_path / "sprung").exists()
    from safetensors.torch import save_file

    save_file(TENSORS, tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match="not a training state"):
        load_state(tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError):
        load_state(tmp_path / "absent")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t | {"format": "x"}, "not written by Impasto"),
        (lambda t: t | {"format_version": 99}, "format version 99"),
        (lambda t: {k: v for k, v in t.items() if k != "config"}, "does not describe a model"),
        (lambda t: t | {"config": {"image": {"size": 7}}}, "does not describe a model"),
        (lambda t: [], "not written by Impasto"),
    ],
)
def test_a_wrong_description_is_refused(tmp_path, change, message):
    save_model(tmp_path, TENSORS, info())
    card = tmp_path / "model.json"
    card.write_text(json.dumps(change(json.loads(card.read_text()))))
    with pytest.raises(CheckpointError, match=message):
        load_model(tmp_path)


def test_half_a_json_and_no_model_at_all(tmp_path):
    with pytest.raises(CheckpointError, match="not a model"):
        load_model(tmp_path)
    save_model(tmp_path, TENSORS, info())
    (tmp_path / "model.json").write_text('{"format": "impa')
    with pytest.raises(CheckpointError, match="not valid JSON"):
        load_model(tmp_path)


def test_weights_of_another_network_are_refused(tmp_path):
    with pytest.raises(CheckpointError, match="another network"):
        load_weights(torch.nn.Linear(2, 2), {"weight": torch.zeros(3, 3)}, tmp_path)


def test_a_failed_write_keeps_the_one_before(tmp_path, monkeypatch):
    path = tmp_path / "s"
    save_state(path, TENSORS, {"images_seen": 3})

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        save_state(path, TENSORS, {"images_seen": 4})
    monkeypatch.undo()
    assert load_state(path)[1]["images_seen"] == 3
    assert [p.name for p in tmp_path.iterdir()] == ["s"]
