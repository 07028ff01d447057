"""Colour profiles: what one is for, and those that a PNG or AVIF file states in a few numbers.

ICC.1:2022, 7.2 header, 8.3 and 8.4 required tags, 10.18 parametric curves; PNG specification, third edition,
11.3.2 colour space; ITU-T H.273, tables 2 and 3.
"""

import struct

import numpy as np

from impasto.errors import ImageError

Primaries = tuple[float, ...]
"""x and y of white, red, green, blue (CIE 1931)."""

_D65 = (0.3127, 0.329)
SRGB: Primaries = (*_D65, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
_PRIMARIES: dict[int, Primaries] = {
    1: SRGB,
    4: (0.31, 0.316, 0.67, 0.33, 0.21, 0.71, 0.14, 0.08),
    5: (*_D65, 0.64, 0.33, 0.29, 0.6, 0.15, 0.06),
    6: (*_D65, 0.63, 0.34, 0.31, 0.595, 0.155, 0.07),
    7: (*_D65, 0.63, 0.34, 0.31, 0.595, 0.155, 0.07),
    9: (*_D65, 0.708, 0.292, 0.17, 0.797, 0.131, 0.046),
    11: (0.314, 0.351, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06),
    12: (*_D65, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06),
}
_SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
# BT.709's own curve describes cameras; what it encodes is shown like sRGB.
_CURVES: dict[int, tuple[float, ...]] = dict.fromkeys((1, 6, 13, 14, 15), _SRGB_CURVE) | {
    4: (2.2,),
    5: (2.8,),
    8: (1.0,),
}
_HDR = {16: "PQ", 18: "HLG"}
_D50 = np.array((0.9642, 1.0, 0.8249))
_BRADFORD = np.array(((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296)))


def colours_of(profile: bytes) -> str:
    """What a profile is for: "RGB", "GRAY", "CMYK" ...; empty for what is no profile."""
    if len(profile) < 132 or profile[36:40] != b"acsp":
        return ""
    return profile[16:20].decode("latin-1").strip()


def stated_in_png(head: dict[bytes, bytes], *, grey: bool) -> bytes | None:
    """The profile that the chunks cICP, gAMA and cHRM of a PNG mean; None where it is sRGB, or unsaid.

    `head` are the chunks before the pixels. Raises `ImageError` for HDR.
    """
    coded = head.get(b"cICP", b"")
    if len(coded) == 4 and coded[2] == 0:
        return from_code_points(coded[0], coded[1], grey=grey)
    if b"iCCP" in head or b"sRGB" in head or len(head.get(b"gAMA", b"")) != 4:
        return None
    gamma = int(struct.unpack(">I", head[b"gAMA"])[0])
    primaries = SRGB
    if len(head.get(b"cHRM", b"")) == 32:
        primaries = tuple(value / 1e5 for value in struct.unpack(">8I", head[b"cHRM"]))
    usual = 44_000 <= gamma <= 47_000  # 1 / 2.2 is what programs write that mean sRGB
    if usual and (grey or np.allclose(primaries, SRGB, atol=0.002)):
        return None
    if not 1_000 <= gamma <= 1_000_000:
        return None
    return _profile(primaries, _SRGB_CURVE if usual else (1e5 / gamma,), grey)


def from_code_points(primaries: int, transfer: int, *, grey: bool) -> bytes | None:
    """The profile that H.273's numbers mean; None where it is sRGB, or they say nothing.

    Raises `ImageError` for HDR: brightness beyond white has no place in sRGB.
    """
    if transfer in _HDR:
        raise ImageError(f"has HDR colours ({_HDR[transfer]}): save it as an ordinary (SDR) picture first")
    gamut, curve = _PRIMARIES.get(primaries), _CURVES.get(transfer)
    if gamut is None or curve is None or (curve == _SRGB_CURVE and (grey or gamut == SRGB)):
        return None
    return _profile(gamut, curve, grey)


def _profile(primaries: Primaries, curve: tuple[float, ...], grey: bool) -> bytes | None:
    columns = _columns(primaries)
    if columns is None:
        return None
    function = struct.pack(">4sIHH", b"para", 0, 3 if len(curve) > 1 else 0, 0) + _fixed(*curve)
    tags = {
        b"desc": _text("stated in the file"),
        b"cprt": _text("no copyright"),
        b"wtpt": b"XYZ " + bytes(4) + _fixed(*_D50),
    }
    if grey:
        tags[b"kTRC"] = function
    else:
        for name, column in zip((b"r", b"g", b"b"), columns.T, strict=True):
            tags[name + b"XYZ"] = b"XYZ " + bytes(4) + _fixed(*column)
            tags[name + b"TRC"] = function
    table, body, offset = b"", b"", 132 + 12 * len(tags)
    for name, content in tags.items():
        table += name + struct.pack(">II", offset + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    head = bytearray(128)
    head[0:4] = struct.pack(">I", 132 + len(table) + len(body))
    head[8:12] = b"\x04\x30\0\0"
    head[12:24] = b"mntr" + (b"GRAY" if grey else b"RGB ") + b"XYZ "
    head[24:36] = struct.pack(">6H", 2000, 1, 1, 0, 0, 0)
    head[36:40] = b"acsp"
    head[68:80] = _fixed(*_D50)
    return bytes(head) + struct.pack(">I", len(tags)) + table + body


def _columns(primaries: Primaries) -> "np.ndarray | None":
    """(3, 3): XYZ of red, green and blue in columns, adapted to D50; None for what no screen can have."""
    xy = np.array(primaries).reshape(4, 2)
    if (xy[:, 1] < 1e-3).any():
        return None
    white, *lights = (np.array((x / y, 1, (1 - x - y) / y)) for x, y in xy)
    matrix = np.array(lights).T
    if abs(np.linalg.det(matrix)) < 1e-6:
        return None
    matrix = matrix * np.linalg.solve(matrix, white)
    gain = (_BRADFORD @ _D50) / (_BRADFORD @ white)
    adapted: np.ndarray = np.linalg.inv(_BRADFORD) @ np.diag(gain) @ _BRADFORD @ matrix
    return adapted if np.isfinite(adapted).all() and np.abs(adapted).max() < 30_000 else None


def _fixed(*values: float) -> bytes:
    """s15Fixed16Number, ICC.1:2022, 4.6."""
    return b"".join(struct.pack(">i", round(float(value) * 65536)) for value in values)


def _text(words: str) -> bytes:
    """multiLocalizedUnicodeType, ICC.1:2022, 10.15."""
    said = words.encode("utf-16-be")
    return struct.pack(">4sIII4sII", b"mluc", 0, 1, 12, b"enUS", len(said), 28) + said
