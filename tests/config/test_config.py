import pytest

from impasto.config.overrides import parse_overrides
from impasto.config.reading import load_config, override, preset_names
from impasto.errors import ConfigError, InputError


@pytest.mark.parametrize("preset", preset_names())
def test_every_preset_is_valid_and_knows_its_name(preset):
    assert load_config(preset).preset == preset


def test_overrides_reach_every_type():
    cfg = load_config(
        "dcgan",
        ["train.batch_size=8", "model.prior=uniform", "data.mirror=true", "loss.adversarial='minimax'"],
    )
    assert (cfg.train.batch_size, cfg.model.prior, cfg.data.mirror) == (8, "uniform", True)
    assert cfg.loss.adversarial == "minimax"
    assert override(cfg, {"train.batch_size": 4}).train.batch_size == 4


def test_a_preset_can_be_a_file(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("[image]\nsize = 32\n")
    assert load_config(str(path)).image.size == 32


@pytest.mark.parametrize(
    ("overrides", "message", "hint"),
    [
        (["lr_g=1"], "unknown setting 'lr_g'", ""),
        (["optimizer.generator_lrr=1"], "unknown setting", "optimizer.generator_lr"),
        (["generator_lr=1"], "unknown setting", "optimizer.generator_lr"),
        (["model.discriminator_channels=8"], "unknown setting", "another model.kind"),
        (["model.pyramid_px=16"], "model.pyramid_px", ""),
        (["model.prior=uniform"], "model.prior", ""),
        (["distribution.themeless_share=1.5"], "distribution.themeless_share", ""),
        (["distribution.exponent=2"], "distribution.exponent", ""),
        (["train.discriminator_steps=2"], "train.discriminator_steps must be 1", ""),
        (["image.size=65"], "must be multiples of 8 from 16 to 256", ""),
        (["image.width=260"], "must be multiples of 8", ""),
        (["image.channels=2"], "image.channels", ""),
        (["train.batch_size=1"], "train.batch_size", ""),
        (["optimizer.generator_lr=nan"], "optimizer.generator_lr", ""),
        (["optimizer.beta1=1.0"], "optimizer.beta1", ""),
        (["train.batch_size"], "not an override", "key.path=value"),
        (["model.kind.deep=3"], "'kind' is a value", ""),
        (["stop.minutes=0"], "stop.minutes", ""),
        (["model.kind=diffusion"], "model", ""),
        (["data.background=red"], "data.background", ""),
    ],
)
def test_a_wrong_setting_is_named_with_a_hint(overrides, message, hint):
    with pytest.raises(ConfigError) as caught:
        load_config("default", overrides)
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_an_unknown_preset_offers_the_nearest():
    with pytest.raises(ConfigError) as caught:
        load_config("dcgn")
    assert "'dcgan'" in caught.value.hint
    with pytest.raises(ConfigError, match="no preset file"):
        load_config("absent.toml")


def test_broken_toml_is_explained(tmp_path):
    path = tmp_path / "broken.toml"
    path.write_text("[image\nsize = 32\n")
    with pytest.raises(ConfigError, match="not valid TOML"):
        load_config(str(path))


def test_the_tree_is_immutable_and_survives_json():
    cfg = load_config("default")
    with pytest.raises(ValueError, match="frozen"):
        cfg.image.size = 32
    assert type(cfg).model_validate_json(cfg.model_dump_json()) == cfg


def test_later_overrides_win():
    assert parse_overrides(["a=1", "a=2"]) == {"a": 2}


def test_penalties_grow_with_the_number_of_pixels():
    loss = load_config("r3gan", {"loss.r1_weight": 100, "loss.r2_weight": 8}).loss
    assert (loss.at_size(64).r1_weight, loss.at_size(16).r1_weight) == (100, 6.25)
    assert loss.at_size(128).r2_weight == 32
    assert loss.at_size(64, 96).r1_weight == loss.at_size(96, 64).r1_weight == 150


@pytest.mark.parametrize(("preset", "kind"), [("mlp", "mlp"), ("dcgan", "dcgan"), ("r3gan", "residual")])
def test_textbooks_draw_squares_alone(preset, kind):
    with pytest.raises(ConfigError, match=f"model.kind={kind} draws squares alone: leave image.width out"):
        load_config(preset, {"image.size": 64, "image.width": 96})
    assert load_config(preset, {"image.size": 64, "image.width": 64}).image.shape == (64, 64)


def test_upscalers_learn_from_square_windows():
    with pytest.raises(ConfigError, match=r"image.width is for generators"):
        load_config("photo-x4", {"image.width": 64})


def test_a_shape_is_height_and_width_and_is_written_as_people_do():
    image = load_config("default", {"image.size": 64, "image.width": 96}).image
    assert (image.shape, image.words) == ((64, 96), "96x64")
    assert (image.reduced(4).shape, image.reduced(4).words) == ((16, 24), "24x16")
    square = load_config("default", {"image.size": 64}).image
    assert (square.shape, square.words, square.reduced(4).width) == ((64, 64), "64", None)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_preset_file_as_editors_on_windows_write_it(tmp_path, encoding):
    path = tmp_path / "mine.toml"
    path.write_bytes("# für mich\r\n[image]\r\nsize = 32\r\n".encode(encoding))
    assert load_config(str(path)).image.size == 32


def test_a_preset_file_that_is_not_utf8_says_so(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_bytes("# für mich".encode("latin-1"))
    with pytest.raises(InputError, match="is not text in UTF-8"):
        load_config(str(path))


@pytest.mark.parametrize("preset", ["upscale-x4", "srgan", "mlp"])
def test_a_wrong_setting_of_a_network_is_compared_with_its_own(preset):
    """Not with those of other kinds, and without the kind that pydantic puts into the path."""
    near = "latent_dim" if preset == "mlp" else "channels"
    with pytest.raises(ConfigError) as caught:
        load_config(preset, [f"model.{near.replace('n', '', 1)}=1"])
    assert caught.value.message == f"unknown setting 'model.{near.replace('n', '', 1)}'"
    assert caught.value.hint == f"did you mean 'model.{near}'?"


def test_a_preset_of_before_tasks_were_named_is_of_the_task_of_its_networks(tmp_path):
    path = tmp_path / "mine.toml"
    text = "[image]\nsize = 64\n[data]\nfit = 'windows'\n[model]\nkind = 'compact'\n"
    path.write_text(text)
    assert load_config(str(path)).task == "upscaling"
    path.write_text("task = 'generation'\n" + text)
    with pytest.raises(ConfigError, match="model"):
        load_config(str(path))
    path.write_text("task = 'knitting'\n")
    with pytest.raises(ConfigError, match="no such task") as caught:
        load_config(str(path))
    assert "upscaling" in caught.value.hint


def test_settings_of_another_task_are_unknown():
    with pytest.raises(ConfigError, match="unknown setting 'restoration"):
        load_config("default", {"restoration.luma": 1.0})
    with pytest.raises(ConfigError, match="unknown setting 'distribution"):
        load_config("photo-x4", {"distribution.maps": 1.0})
