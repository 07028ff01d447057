"""The names in a zip, whoever made it: which encoding they are in, and what separates folders.

A zip says of a name that it is UTF-8, or nothing. Then it is in whatever encoding the maker's computer had,
the same for all names of the archive, and may have backslashes between folders.
"""

import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

_UTF8_FLAG = 0x800
_UNICODE_PATH = 0x7075  # the extra field in which WinZip, WinRAR and Info-ZIP keep a second name, in UTF-8
_SURE, _AHEAD = 0.7, 0.1  # the weight that a reading must have, and by how much it must exceed all others
_READ = 20_000  # characters that are weighed: more would only take longer
UNKNOWN = "cp437"  # every byte has a character of its own there: nothing is lost


@dataclass(frozen=True)
class Names:
    """The names of all entries in order, with forward slashes; `encoding` is None where it is not known."""

    names: tuple[str, ...]
    encoding: str | None


def names_of(entries: Sequence[zipfile.ZipInfo]) -> Names:
    """What the entries of a zip are called."""
    raw = [None if e.flag_bits & _UTF8_FLAG else e.orig_filename.encode(UNKNOWN) for e in entries]
    second = [None if r is None else _unicode_path(e.extra, r) for e, r in zip(entries, raw, strict=True)]
    open_ = [r for r, name in zip(raw, second, strict=True) if r is not None and name is None]
    encoding = _encoding_of(open_)
    names = [
        name if name is not None else entry.orig_filename if r is None else r.decode(encoding or UNKNOWN)
        for entry, r, name in zip(entries, raw, second, strict=True)
    ]
    return Names(tuple(name.replace("\\", "/") for name in names), encoding)


def _unicode_path(extra: bytes, raw: bytes) -> str | None:
    """The second name of an entry, if it has one that belongs to the first."""
    while len(extra) >= 4:
        kind, size = struct.unpack_from("<HH", extra)
        field, extra = extra[4 : 4 + size], extra[4 + size :]
        if kind == _UNICODE_PATH and len(field) > 5 and field[0] == 1:
            if struct.unpack_from("<L", field, 1)[0] != zlib.crc32(raw):
                return None  # somebody renamed the entry and left the field as it was
            try:
                return field[5:].decode("utf-8")
            except UnicodeDecodeError:
                return None
    return None


def _encoding_of(names: Sequence[bytes]) -> str | None:
    """The one encoding in which all names read as people write; None where several do, or none does."""
    text = b"\n".join(dict.fromkeys(name for name in names if not name.isascii()))
    if not text:
        return "ascii"
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        pass
    else:
        return "utf-8"
    found: dict[str, tuple[float, str]] = {}  # by what it reads: two encodings may agree
    for encoding, usual in _ENCODINGS.items():
        try:
            read = text.decode(encoding)
        except UnicodeDecodeError:
            continue
        found[read] = max(found.get(read, (0.0, "")), (usual(read[:_READ]), encoding))
    ranked = sorted(found.values(), reverse=True)
    if not ranked or ranked[0][0] < _SURE:
        return None
    if len(ranked) > 1 and ranked[1][0] > ranked[0][0] - _AHEAD:
        return None
    return ranked[0][1]


def _mean(weights: Iterable[float]) -> float:
    found = list(weights)
    return sum(found) / max(1, len(found))


def _asian(text: str, weigh: Callable[[str], float]) -> float:
    """The mean weight of the characters that are not ASCII; one alone among ASCII letters counts half."""
    stray = {match.start(1) for match in re.finditer(r"(?<=[a-z])([^\x00-\x7f])(?![^\x00-\x7f])", text)}
    stray |= {match.start(1) for match in re.finditer(r"(?<![^\x00-\x7f])([^\x00-\x7f])(?=[a-z])", text)}
    return _mean(weigh(c) * (0.5 if at in stray else 1) for at, c in enumerate(text) if not c.isascii())


def _row(char: str, encoding: str) -> int:
    """The first of the two bytes of a character; 0 where it has one or none."""
    data = char.encode(encoding, "ignore")
    return data[0] if len(data) == 2 else 0


_MARKS = frozenset("　、。・ー「」『』（）【】《》〈〉！？：；，～〜－＿＆＋％＃＠“”‘’…—·々〆")
# Characters of everyday names, of pictures first. Nearly all bytes that read as Korean read as Chinese, too,
# and the other way round: what tells the two apart is which of them reads as words that people use.
_HAN = frozenset(
    "的一是不了在人有我他这中大来上个国到说们为子和你地出道也时年得就那要下以生会自着去之过家学对可里后小么心多天而能好都然没日于起"
    "还发成事只作当想看文无开手十用主行方又如前所本见经头面公同三已老从动两长知民样现分将外但身些与高意进把法此实回二理美点月明其"
    "种声全工己话儿者向情部正名定女问力机给等几很业最间新什打便位因重被走电四第门相次东政海口使教西再平真听世气信北少关并内加化由"
    "却代军产入先山五太水万市眼体别处总才场师书比住员九笑性通目华报立马命张活难神数件安表原车白应路期叫死常提感金何更反合放做系计"
    "或司利受光王果亲界及今京务制解各任至清物台象记边共风战干接它许八特觉望直服毛林题建南度统色字请交爱让认算论百吃义科怎元社术结六"
    "功指思非流每青管夫连远资队跟带花快条院变联言权往展该领传近留红治决周保达办运武半候七必城父强步完革深区即求品士转量空众技轻程告"
    "江语英基派满式李息写呢识极令黄德收脸钱党倒未持取设始版双历越史商千片容研像找友孩站广改议形委早房音火际则首单据导影失拿网香似斯"
    "专石若兵弟谁校读志飞观争究包组造落视济喜离虽坏兴切客急杂画照相图像册集油彩素描雕塑影摄设计插插图动物植物风景建筑食品静人像猫狗"
    "鸟鱼虫虎龙蛇羊猴鸡猪兔鼠牛熊狮象鹿狼狐蝶蜂树木草叶果山河湖海岸沙雪雨云雾星月夜春夏秋冬晴阴黑灰紫蓝绿橙粉棕银男女童老少婴表情笑哭"
    "怒哀乐婚礼旅游街道桥楼塔寺庙宫殿园林村镇店铺船飞机火车汽车单车球运动游戏音乐舞蹈服装鞋帽包首饰茶酒菜饭面包糖米肉蛋奶水果苹梨桃"
    "杏樱梅兰竹菊荷莲松柏玫瑰牡丹仓库夹文件新建副备份下载桌面微信截屏屏幕素材测试训练数据样本未分类其他杂项作品临摹水墨国漫卡通头像"
    # ... as written in Taiwan, Hong Kong and Japan
    "這來個國說們為時會著過學對裡後麼還發當開動兩長從現將與進實點種聲話兒問機給幾業間門東聽氣關並內產萬體別處總場師書員華報馬張難數"
    "車應親務製解記邊風戰許覺題統請愛讓認論義術結連遠資隊帶條變聯權傳紅達辦運強區眾輕語滿寫識極黃臉錢設雙歷單據導網專誰讀飛觀爭組視"
    "濟離雖興雜畫圖冊雕攝計鳥魚蟲龍雞豬鼠獅樹葉岸雲霧陰藍綠銀嬰禮遊橋樓廟宮園鎮舖船飛遊戲樂裝鞋飾飯糖麵蘋櫻蘭蓮松倉庫夾檔資料夾備"
    "份載桌測試訓練樣類項臨貓貓狗犬猫桜絵画写真風景人物浮世絵顔構図表情予定図鑑資料海辺街駅電車料理和食祭寺社神仏鉄写生版画線白黒赤青"
)
_SYLLABLES = frozenset(
    "가각간갈감갑값강같개거건걸검것게겨격견결경계고곡곤골공과관광교구국군권귀규균그극근글금급기긴길김까꽃나낙난날남낮내너널네녀년념노녹"
    "논놀농높누눈뉴느는늘능니다단달담답당대더덕도독돈동두둘뒤드든들등디따때또라락란람랑래러럭런럼레려력련렬령례로록론료루류르른를름리린"
    "림립마막만말맛망매맥머먼메면명모목몰못몽무묵문물미민밀바박반받발밤밥방배백번벌범법벚벽변별병보복본볼봄봉부북분불붉비빈빛사산살삼상"
    "새색생서석선설섬성세션셋소속손송쇼수숙순술숲스습승시식신실심십싸쓰씨아악안알암앞애야약양어언얼업없에여역연열염영예오옥온올옷와완왕"
    "외요욕용우운울움원월위유육윤율으은을음응의이인일임입있잎자작잔잘잠장재저적전절점정제져조족존종좋좌주죽준중즈즐증지직진질집짜찌차찬"
    "착참창채책처천철첫청체초촌촬총최추축춘출충취측치친칠칭카커컬컴케코콘크키타탁탄탈태터테토통투트특티파판팔퍼페편평포폭폴표푸풀품풍"
    "프피필하학한할함합항해햇행향허험현혈협형혜호혹혼홍화환활황회획효후훈휴흐흑흙흥희흰벌북웹툰캡처팬릭릴뷰숏쿠짱뽀쁘예강아지양고양이새폴더그림사진동물풍경인물꽃나무"
)


def _han(encoding: str, rows: tuple[int, int], letters: str = "") -> Callable[[str], float]:
    """Weigh what a national set reads: everyday characters, those of school (in `rows`), and the rest."""
    own = frozenset(letters)

    def weigh(char: str) -> float:
        if char in _MARKS or char in own or char in _HAN or "Ａ" <= char <= "ｚ" or "０" <= char <= "９":
            return 1.0
        row = _row(char, encoding)
        return 0.75 if rows[0] <= row <= rows[1] else 0.2 if row > rows[1] and char.isalpha() else 0.0

    return lambda text: _asian(text, weigh)


def _hangul(text: str) -> float:
    def weigh(char: str) -> float:
        if char in _MARKS or char in _SYLLABLES:
            return 1.0
        return 0.65 if 0xB0 <= _row(char, "euc_kr") <= 0xC8 else 0.0

    return _asian(text, weigh)


def _cyrillic(text: str) -> float:
    """Words of Cyrillic letters alone; the rare ones, of which other encodings have most, count half."""
    common, rare = frozenset("оеаинтсрвлкмдпуяыьгзбчйі"), frozenset("хжшюцщэфъёїєґў")
    return _words(text, lambda char: 1.0 if char in common else 0.5 if char in rare else 0.0, mixed=False)


def _latin(letters: str, most: float = 1.0) -> Callable[[str], float]:
    known = frozenset(letters)
    return lambda text: _words(text, lambda char: most if char in known else 0.0, mixed=True)


def _words(text: str, weigh: Callable[[str], float], *, mixed: bool) -> float:
    """The mean weight of the letters beyond ASCII, small; 0 in words that nobody writes so.

    That is where capitals stand among small ones, or a word is of the two kinds of letters: or, where they
    are `mixed`, has more accents than letters without; or where there are the marks beside it that are second
    halves of characters in the encodings of East Asia.
    """
    weights: list[float] = []
    for name in text.split("\n"):
        torn = "/" in name and "\\" in name
        for word in re.split(r"[\x00-@\\_]", name):
            beyond = [c for c in word if not c.isascii()]
            plain = sum(c.isascii() for c in word)
            shaped = word == word.lower() or word == word.upper() or word[1:] == word[1:].lower()
            fair = 0.0 if torn or not shaped or re.search(r"[\[\]^`{|}~]", word) else 1.0
            if not mixed:
                fair *= plain == 0
            elif plain == 0:  # some words are one letter with an accent, and none is two
                fair *= 0.5 if len(beyond) == 1 else 0.0
            else:
                fair *= len(beyond) <= plain + 1
            weights += [fair * weigh(c.lower()) for c in beyond]
    return _mean(weights)


_KANA = "".join(map(chr, (*range(0x3041, 0x3097), *range(0x30A1, 0x30FB))))
_WESTERN = "àáâãäåæçèéêëìíîïñòóôõöøùúûüýÿœß"
_CENTRAL = "áâäăąćčçďđéęěëíîĺľłńňóôőöŕřśšşťţúůűüýźžż"
# Each weighs what it reads: 1 for a text of everyday names, 0 for one that nobody would write.
_ENCODINGS: dict[str, Callable[[str], float]] = {
    "cp932": _han("shift_jis", (0x88, 0x97), _KANA),
    "gb18030": _han("gb2312", (0xB0, 0xD7)),
    "cp950": _han("big5", (0xA4, 0xC6)),
    "cp949": _hangul,
    "cp866": _cyrillic,
    "cp1251": _cyrillic,
    "cp850": _latin(_WESTERN),
    "cp437": _latin(_WESTERN),
    "cp1252": _latin(_WESTERN),
    "cp852": _latin(_CENTRAL, 0.9),
    "cp1250": _latin(_CENTRAL, 0.9),
}
