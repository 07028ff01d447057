import itertools
import json
import pickle
import re
import shutil
import struct
from pathlib import Path

import pytest
import torch

from impasto.config.reading import load_config, parse_config
from impasto.errors import CheckpointError, ConfigError
from impasto.tasks import load_model
from impasto.tasks.generation.networks import build_generator
from impasto.training import checkpoints
from impasto.training.checkpoints import (
    ModelInfo,
    load_state,
    load_weights,
    save_model,
    save_state,
    saved_config,
)
from impasto.training.model_card import model_card

TENSORS = {"a": torch.arange(6.0).reshape(2, 3), "b/c": torch.tensor(7, dtype=torch.int64)}


CONFIG = load_config("mlp", {"image.size": 16, "image.channels": 1, "model.hidden": [4]})


def info(**changes):
    return ModelInfo(CONFIG, 1234, data={"fingerprint": "f"}, metrics={"FD-lite0": 5.0}, **changes)


def weights(seed=0):
    torch.manual_seed(seed)
    return build_generator(CONFIG.model, CONFIG.image).state_dict()


def test_a_run_of_version_0_1_keeps_its_pictures_held_out():
    """That version held copies together, and no near copies."""
    tree = load_config("default").model_dump(mode="json")
    assert saved_config(tree, Path("state")).data.together == "near-copies"
    del tree["data"]["together"]
    assert saved_config(tree, Path("state"), "0.1.0").data.together == "copies"


def test_what_only_version_0_1_knew_of_training_is_left_out():
    tree = load_config("dcgan").model_dump(mode="json")
    old = tree | {"matching": {"bank_pictures": 2_048}, "grow": {"from_px": 16, "until_images": 60_000}}
    old |= {"distribution": tree["distribution"] | {"thumbnail_px": 8}}
    assert saved_config(old, Path("model.json"), "0.1.0") == load_config("dcgan")
    assert "grow" in old  # what was read is not changed
    with pytest.raises(CheckpointError, match="growth"):
        saved_config(tree | {"growth": {}}, Path("model.json"))


def test_a_state_that_is_replaced_while_it_is_opened_is_read_whole(tmp_path, monkeypatch):
    """safetensors opens a file twice: the header would be of one state and the numbers of the next."""
    path = tmp_path / "s"
    save_state(path, {"a": torch.zeros(4)}, {"images_seen": 1})
    really = checkpoints.safe_open
    opened = []

    def safe_open(*args, **options):
        opened.append(really(*args, **options))
        if len(opened) == 1:
            save_state(path, {"a": torch.ones(4)}, {"images_seen": 2})
        return opened[-1]

    monkeypatch.setattr(checkpoints, "safe_open", safe_open)
    tensors, values = load_state(path)
    assert (tensors["a"].tolist(), values["images_seen"]) == ([1.0] * 4, 2)


def test_a_state_comes_back_whole(tmp_path):
    save_state(tmp_path / "s", TENSORS, {"images_seen": 3, "list": [1, {"x": None}]})
    tensors, values = load_state(tmp_path / "s")
    assert values == {"images_seen": 3, "list": [1, {"x": None}]}
    assert all(torch.equal(tensors[k], TENSORS[k]) and tensors[k].dtype == TENSORS[k].dtype for k in TENSORS)


def test_a_model_comes_back_whole_with_its_card(tmp_path):
    save_model(tmp_path, weights(), info())
    loaded, about = load_model(tmp_path)
    assert all(torch.equal(loaded[name], tensor) for name, tensor in weights().items())
    assert about == info()
    card = (tmp_path / "README.md").read_text()
    assert "FD-lite0" in card
    assert "licence" in card
    assert json.loads((tmp_path / "model.json").read_text())["format"] == "impasto-model"


def test_names_on_a_card_are_text():
    evil = "`a`|<script>alert(1)</script>\n# [b](c)"
    config = CONFIG.model_copy(update={"preset": evil})
    data = {"fingerprint": evil, "train_pictures": evil}
    card = model_card(ModelInfo(config, 1, data=data, metrics={evil: evil}, licence="*Mine*, <script>"))
    assert not set(re.findall(r"<\w+", card))
    assert not re.search(r"^# \[b|\]\(", card, re.MULTILINE)
    (row,) = (line for line in card.splitlines() if line.startswith("| &"))
    assert row.count("|") == 3
    assert "*Mine*" in card


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
    save_model(tmp_path, weights(), info())
    without_header(tmp_path)
    card = tmp_path / "model.json"
    card.write_text(json.dumps(change(json.loads(card.read_text()))))
    with pytest.raises(CheckpointError, match=message):
        load_model(tmp_path)


def test_half_a_json_and_no_model_at_all(tmp_path):
    with pytest.raises(CheckpointError, match="not a model"):
        load_model(tmp_path)
    save_model(tmp_path, weights(), info())
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


def test_a_flipped_bit_in_a_model_is_refused(tmp_path):
    """Wherever it is, or without any effect; from its header to the end of its numbers."""
    save_model(tmp_path, weights(), info())
    path = tmp_path / "model.safetensors"
    whole = path.read_bytes()
    header = 8 + struct.unpack("<Q", whole[:8])[0]
    body = [header + (len(whole) - header) * part // 23 + 3 for part in range(23)]
    for at, bit in itertools.product([*range(0, header, 29), *body], (1, 64)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ bit]) + whole[at + 1 :])
        try:
            loaded, about = load_model(tmp_path)
        except CheckpointError:
            continue
        assert at < header  # what is not read: padding, and the format's own name
        assert about == info()
        assert all(torch.equal(loaded[name], tensor) for name, tensor in weights().items())
    path.write_bytes(whole[:header] + bytes(len(whole) - header))
    with pytest.raises(CheckpointError, match="checksum"):
        load_model(tmp_path)


def test_a_model_that_was_half_replaced_is_one_of_the_two(tmp_path):
    """A kill between the renames: the description that comes with the weights counts."""
    save_model(tmp_path / "old", weights(0), info())
    save_model(tmp_path / "new", weights(1), info(licence="another"))
    for first, second in (("old", "new"), ("new", "old")):
        shutil.copytree(tmp_path / first, tmp_path / "both")
        shutil.copy(tmp_path / second / "model.safetensors", tmp_path / "both")
        loaded, about = load_model(tmp_path / "both")
        right, described = load_model(tmp_path / second)
        assert about == described
        assert all(torch.equal(loaded[name], right[name]) for name in right)
        shutil.rmtree(tmp_path / "both")


def test_building_without_memory_draws_no_random_numbers(tmp_path):
    """Another thread may be drawing."""
    save_model(tmp_path, weights(), info())
    before = torch.get_rng_state()
    load_model(tmp_path)
    assert torch.equal(torch.get_rng_state(), before)


def without_header(folder):
    """As 0.1 wrote it: the description in `model.json` alone, without a digest."""
    from safetensors.torch import load_file, save_file

    path = folder / "model.safetensors"
    save_file(load_file(path), path, {"format": "impasto-model"})
    tree = json.loads((folder / "model.json").read_text())
    digest = tree.pop("digest")
    (folder / "model.json").write_text(json.dumps(tree, indent=2))
    return digest


def test_a_model_of_the_version_before_is_read(tmp_path):
    save_model(tmp_path, weights(), info())
    digest = without_header(tmp_path)
    assert load_model(tmp_path)[1] == info()
    card = tmp_path / "model.json"
    tree = json.loads(card.read_text())
    card.write_text(json.dumps(tree | {"digest": digest}))
    assert load_model(tmp_path)[1] == info()
    card.write_text(json.dumps(tree | {"digest": digest, "licence": "mine"}))
    with pytest.raises(CheckpointError, match="checksum"):
        load_model(tmp_path)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_are_refused(tmp_path, number):
    broken = weights()
    broken["layers.0.bias"][2] = number
    save_model(tmp_path, broken, info())
    with pytest.raises(CheckpointError, match=r"layers\.0\.bias.*not finite"):
        load_model(tmp_path)


@pytest.mark.parametrize("old", [True, False])
def test_a_description_larger_than_its_weights_costs_nothing(tmp_path, old):
    """The gigabytes that it claims are never touched."""
    resource = pytest.importorskip("resource")
    save_model(tmp_path, weights(), info())
    if old:
        without_header(tmp_path)
    card = tmp_path / "model.json"
    tree = json.loads(card.read_text())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for changes in (
        {"hidden": [65_536, 65_536]},
        {"kind": "projected", "latent_dim": 60_000, "exemplars": 9_000_000, "hidden": None},
        {"latent_dim": 2_000_000},
        {"hidden": [4] * 1_000},
    ):
        model = {k: v for k, v in (tree["config"]["model"] | changes).items() if v is not None}
        card.write_text(json.dumps(tree | {"config": tree["config"] | {"model": model}}))
        with pytest.raises(CheckpointError):
            load_model(tmp_path)
    for text in (
        "[" * 100_000,
        '{"data":' * 100_000,
        "[" * 500 + "]" * 500,
        '{"images_seen":' + "9" * 9999 + "}",
    ):
        card.write_text(text)
        with pytest.raises(CheckpointError):
            load_model(tmp_path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000  # kB


def test_the_weights_say_what_they_are_for_before_anything_is_made(tmp_path, monkeypatch):
    save_model(tmp_path, weights(), info())
    without_header(tmp_path)
    card = tmp_path / "model.json"
    tree = json.loads(card.read_text())
    tree["config"]["model"]["hidden"] = [5]
    card.write_text(json.dumps(tree))
    monkeypatch.setattr("impasto.training.checkpoints._tensors_in", None)  # not reached
    with pytest.raises(CheckpointError, match=r"another network: 'layers\.0\.bias' is"):
        load_model(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"images_seen": "many"},
        {"images_seen": -1},
        {"images_seen": True},
        {"data": []},
        {"licence": None},
        {"metrics": 3},
        {"config": None},
        {"config": {"image": {"size": "x" * 100_000}}},
    ],
)
def test_values_of_the_wrong_kind_are_refused(tmp_path, change):
    save_model(tmp_path, weights(), info())
    without_header(tmp_path)
    card = tmp_path / "model.json"
    card.write_text(json.dumps(json.loads(card.read_text()) | change))
    with pytest.raises(CheckpointError, match="does not describe a model") as caught:
        load_model(tmp_path)
    assert len(str(caught.value)) < 1_000


def test_settings_of_a_newer_version_are_said_to_be_that(tmp_path):
    save_model(tmp_path, weights(), info())
    without_header(tmp_path)
    card = tmp_path / "model.json"
    tree = json.loads(card.read_text()) | {"impasto_version": "9.8"}
    tree["config"]["train"]["colour_of_the_sky"] = 1
    card.write_text(json.dumps(tree))
    with pytest.raises(CheckpointError, match=r"written by Impasto 9\.8.*colour_of_the_sky") as caught:
        load_model(tmp_path)
    assert "update" in caught.value.hint


def test_a_bound_on_every_dimension():
    """So that no description takes long to lay out, not even without memory."""
    for preset, key in [("mlp", "latent_dim"), ("default", "latent_dim"), ("upscale-x4", "convolutions")]:
        tree = load_config(preset).model_dump()
        tree["model"][key] = 10**9
        with pytest.raises(ConfigError, match=key):
            parse_config(tree)
