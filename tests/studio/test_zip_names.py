"""Which encoding the names of a zip are in: decided rightly or not at all."""

import pytest

from impasto.studio.zip_names import _encoding_of

NAMES = {
    "cp932": (
        "猫/1.png 犬/2.png",
        "ポケモン/ピカチュウ.png",
        "東京タワー.jpg",
        "能登/1.jpg",
        "家族/2020年夏.jpg",
    ),
    "gb18030": (
        "猫/1.png 狗/2.png",
        "莫奈/睡莲.jpg 梵高/向日葵.jpg",
        "微信图片_2024.jpg",
        "熊猫/1.png",
        "花/1 鸟/2",
    ),
    "cp950": ("貓/1.png 狗/2.png", "齊白石/蝦.png", "臺北/101.jpg 高雄/港口.jpg", "新增資料夾/圖片.jpg"),
    "cp949": (
        "사진/1.png 동물/2.png",
        "새 폴더/그림.jpg",
        "서울/남산타워.jpg",
        "만화/주인공.png 배경/하늘.png",
    ),
    "cp866": ("Фото/1.png", "Рабочий стол/снимок экрана.png", "дом/1.png"),
    "cp1251": ("Фото/1.png", "Новая папка/1.jpg", "Київ/зима.jpg", "дом/1.png"),
    "cp850": ("España/niño.png", "Größe/1.png", "Pâtisserie/éclair.jpg", "São Paulo/1.jpg", "Été/2.png"),
    "cp1252": ("Café/1.png Été/2.png", "Blumen/Gänse.png Blumen/Rüben.png"),
    "cp852": ("Zdjęcia/1.png Książka/2.png", "kočky/1.png psi/žába.png"),
    "utf-8": ("猫/1.png", "Vögel/1.png"),
    "ascii": ("a/1.png", ""),
}


@pytest.mark.parametrize(("encoding", "text"), [(e, text) for e, texts in NAMES.items() for text in texts])
def test_it_is_found(encoding: str, text: str) -> None:
    names = [name.encode(encoding) for name in text.split(" ")]
    found = _encoding_of(names)
    assert found is not None
    assert [name.decode(found) for name in names] == text.split(" ")


@pytest.mark.parametrize(
    "name",
    ["犬/1.png".encode("cp932"), "꽃/1.png".encode("cp949"), "ЛЕТО.jpg".encode("cp866"), b"\xff\xfe\xfd.png"],
)
def test_what_reads_well_in_several_encodings_or_none_is_left_open(name: bytes) -> None:
    assert _encoding_of([name]) is None
