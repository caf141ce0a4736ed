"""How large a picture is and what its pixels are made of, from its first bytes; nothing is decoded.

PNG (W3C PNG, 11.2.1), JPEG (ITU-T T.81, B.2.2), GIF (GIF89a, 18), BMP and WebP (RFC 9649, 2.5 to 2.7).
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

_PNG_MODES = {(0, 1): "1", (0, 16): "I;16", (0, 8): "L", (0, 2): "L", (0, 4): "L"}
_PNG_COLOURS = {2: ("RGB", (8, 16)), 3: ("P", (1, 2, 4, 8)), 4: ("LA", (8, 16)), 6: ("RGBA", (8, 16))}
_JPEG_MODES = {1: "L", 3: "RGB", 4: "CMYK"}
_MARKER = 0xFF
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_WITHOUT_LENGTH = frozenset(range(0xD0, 0xD8)) | {0x01}
_JPEG_ENDS = frozenset({0xD9, 0xDA})
_BMP_OLD_HEADER = 12
_BMP_MODES = {1: "P", 4: "P", 8: "P", 16: "RGB", 24: "RGB", 32: "RGB"}
_ALPHA_FLAG = 0x10


@dataclass(frozen=True)
class ImageHeader:
    """What a picture says of itself.

    Attributes:
        width: In pixels, at least 1; as `height`.
        mode: In Pillow's words: `1`, `L`, `LA`, `I;16`, `P`, `RGB`, `RGBA` or `CMYK`.
    """

    width: int
    height: int
    mode: str


def image_header(content: bytes) -> ImageHeader | None:
    """Return the header of a picture, `None` where the bytes are none or are damaged.

    Args:
        content: From the first byte on; of JPEG all that stands before the pixels.
    """
    try:
        header = _header(content)
    except (struct.error, KeyError):
        return None
    return header if header is not None and header.width > 0 and header.height > 0 else None


def _header(content: bytes) -> ImageHeader | None:
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return _png(content)
    if content.startswith(b"\xff\xd8\xff"):
        return _jpeg(content)
    if content.startswith((b"GIF87a", b"GIF89a")):
        width, height = struct.unpack_from("<HH", content, 6)
        return ImageHeader(width, height, "P")
    if content.startswith(b"BM"):
        return _bmp(content)
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return _webp(content)
    return None


def _png(content: bytes) -> ImageHeader | None:
    length, kind, width, height, depth, colour, compression, filtering, interlace, checksum = struct.unpack_from(
        ">I4sIIBBBBBI", content, 8
    )
    if (length, kind) != (13, b"IHDR") or zlib.crc32(content[12:29]) != checksum:
        return None
    if compression or filtering or interlace > 1 or max(width, height) >= 2**31:
        return None
    if colour == 0:
        return ImageHeader(width, height, _PNG_MODES[colour, depth])
    mode, depths = _PNG_COLOURS[colour]
    return ImageHeader(width, height, mode) if depth in depths else None


def _jpeg(content: bytes) -> ImageHeader | None:
    place = 2
    while True:
        introducer, marker = struct.unpack_from("BB", content, place)
        if introducer != _MARKER or marker in _JPEG_ENDS:
            return None
        if marker == _MARKER:  # fill bytes
            place += 1
        elif marker in _JPEG_WITHOUT_LENGTH:
            place += 2
        elif marker in _JPEG_FRAMES:
            _length, _precision, height, width, components = struct.unpack_from(">HBHHB", content, place + 2)
            return ImageHeader(width, height, _JPEG_MODES[components])
        else:
            place += 2 + max(struct.unpack_from(">H", content, place + 2)[0], 2)


def _bmp(content: bytes) -> ImageHeader:
    (size,) = struct.unpack_from("<I", content, 14)
    if size == _BMP_OLD_HEADER:
        width, height, _planes, depth = struct.unpack_from("<HHHH", content, 18)
    else:
        width, height, _planes, depth = struct.unpack_from("<iiHH", content, 18)
    return ImageHeader(width, abs(height), _BMP_MODES[depth])


def _webp(content: bytes) -> ImageHeader | None:
    match content[12:16]:
        case b"VP8 " if content[23:26] == b"\x9d\x01\x2a":
            width, height = struct.unpack_from("<HH", content, 26)
            return ImageHeader(width & 0x3FFF, height & 0x3FFF, "RGB")
        case b"VP8L" if content[20:21] == b"\x2f":
            (bits,) = struct.unpack_from("<I", content, 21)
            return ImageHeader((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, "RGBA" if bits >> 28 & 1 else "RGB")
        case b"VP8X":
            flags, width, width_high, height, height_high = struct.unpack_from("<BxxxHBHB", content, 20)
            mode = "RGBA" if flags & _ALPHA_FLAG else "RGB"
            return ImageHeader((width_high << 16) + width + 1, (height_high << 16) + height + 1, mode)
    return None
