import json

import numpy as np
import pytest

from impasto.errors import InputError
from impasto.files import cache_folder
from impasto.image.files import save
from impasto.tasks.generation.sampling.known_models import remember, where_is
from impasto.tasks.generation.sampling.recipe import (
    KEY,
    Between,
    Coloured,
    Recipe,
    Recipes,
    Seed,
    read_recipes,
)

COLOURS = (("#008080", 0.4), ("#ff0000", 0.6))
ASKED = Coloured(start=Seed(seed=1, truncation=0.1, themes=("food",)), colours=COLOURS)
POINT = Between(first=ASKED, last=Seed(seed=2, truncation_at={32: 0.7}), at=1 / 3)
RECIPE = Recipe(model="m", weights="ab", engine="torch", point=POINT, colours_of=Seed(seed=2**62))


def test_json_loses_nothing(tmp_path):
    (tmp_path / "one.json").write_text(RECIPE.to_json())
    assert read_recipes(tmp_path / "one.json") == [RECIPE]
    (tmp_path / "two.json").write_text(Recipes(recipes=[RECIPE, RECIPE]).model_dump_json())
    assert read_recipes(tmp_path / "two.json") == [RECIPE, RECIPE]


@pytest.mark.parametrize("suffix", ["png", "webp", "jpg"])
def test_pictures_carry_it(tmp_path, suffix):
    path = tmp_path / f"picture.{suffix}"
    save(np.zeros((8, 8, 3), np.uint8), path, metadata={KEY: RECIPE.to_json()})
    assert read_recipes(path) == [RECIPE]


def test_what_holds_no_recipe(tmp_path):
    save(np.zeros((8, 8, 3), np.uint8), tmp_path / "plain.png")
    (tmp_path / "text.txt").write_text("hello")
    with pytest.raises(InputError, match="has no recipe inside"):
        read_recipes(tmp_path / "plain.png")
    with pytest.raises(InputError, match="is not a PNG"):
        read_recipes(tmp_path / "text.txt")
    with pytest.raises(InputError, match="there is no recipe"):
        read_recipes(tmp_path)


def changed(**keys):
    return json.dumps(json.loads(RECIPE.to_json()) | keys)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        "null",
        changed(format="other"),
        changed(format_version=2),
        changed(point={"kind": "teleport"}),
        changed(point={"kind": "seed"}),
        changed(surplus=1),
        changed(point={"kind": "coloured", "start": {"kind": "seed", "seed": 1}, "colours": [["teal", 1]]}),
        changed(point={"kind": "coloured", "start": {"kind": "seed", "seed": 1}, "colours": []}),
        changed(point={"kind": "between", "first": {"kind": "seed", "seed": 1},
                       "last": {"kind": "seed", "seed": 1}, "at": 1.5}),
        '{"format":"impasto-recipes","format_version":1,"recipes":[]}',
        '{"a":' * 50_000,
    ],
)  # fmt: skip
def test_bad_json(tmp_path, text):
    (tmp_path / "bad.json").write_text(text)
    with pytest.raises(InputError, match="is not a recipe of Impasto"):
        read_recipes(tmp_path / "bad.json")


def test_deeply_nested_recipes_are_refused_or_read(tmp_path):
    point = '{"kind":"seed","seed":1}'
    for _ in range(5_000):
        point = f'{{"kind":"near","spread":0.1,"seed":1,"centre":{point}}}'
    text = RECIPE.model_copy(update={"colours_of": None}).to_json()
    tree = text[: text.index('"point":')] + f'"point":{point}}}'
    (tmp_path / "deep.json").write_text(tree)
    with pytest.raises(InputError, match="is not a recipe of Impasto"):
        read_recipes(tmp_path / "deep.json")


def test_a_recipe_finds_its_model_again(tmp_path):
    with pytest.raises(InputError, match="was not used on this machine"):
        where_is(RECIPE)
    remember("ab", tmp_path)
    assert where_is(RECIPE) == tmp_path.resolve()


@pytest.mark.parametrize("digest", ["", "../x", "a\0b", "/etc/passwd"])
def test_a_strange_digest_leads_nowhere(digest):
    remember("ab", cache_folder())
    (cache_folder() / "x.txt").write_text("elsewhere")
    with pytest.raises(InputError, match="was not used on this machine"):
        where_is(RECIPE.model_copy(update={"weights": digest}))
