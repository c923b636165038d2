"""What encoded images really are, told by their bytes. Nothing is decoded."""

from typing import Final

MIME_TYPES: Final = ("image/png", "image/jpeg", "image/gif", "image/webp")

_PNG_START: Final = b"\x89PNG\r\n\x1a\n"
_PNG_END: Final = b"IEND\xaeB`\x82"
_JPEG_START: Final = b"\xff\xd8\xff"
_JPEG_END: Final = b"\xff\xd9"
_JPEG_SCAN: Final = 0xDA
_GIF_STARTS: Final = (b"GIF87a", b"GIF89a")
_GIF_END: Final = b";"
_RIFF_HEADER_BYTES: Final = 12
_MARKER_BYTES: Final = 4


def mime_type_of(content: bytes) -> str | None:
    """Return the MIME type that the first bytes show; None when they show none of MIME_TYPES."""
    if content.startswith(_PNG_START):
        return "image/png"
    if content.startswith(_JPEG_START):
        return "image/jpeg"
    if content.startswith(_GIF_STARTS):
        return "image/gif"
    if content.startswith(b"RIFF") and content[8:_RIFF_HEADER_BYTES] == b"WEBP":
        return "image/webp"
    return None


def is_whole(content: bytes, mime_type: str) -> bool:
    """Tell whether the end of the image is there.

    `mime_type` is what `mime_type_of` returned; padding behind it does no harm.
    """
    match mime_type:
        case "image/png":
            return content.rfind(_PNG_END) != -1
        case "image/jpeg":
            return _jpeg_is_whole(content)
        case "image/gif":
            # Some encoders pad with zeros behind the trailer.
            return content[-64:].rstrip(b"\0").endswith(_GIF_END)
        case _:
            return len(content) >= int.from_bytes(content[4:8], "little") + 8


def _jpeg_is_whole(content: bytes) -> bool:
    """Look for the end behind the first scan only: a thumbnail inside an earlier segment has an end of its own."""
    at = 2
    while at + _MARKER_BYTES <= len(content) and content[at] == _JPEG_END[0]:
        marker = content[at + 1]
        if marker == _JPEG_END[0]:  # a fill byte
            at += 1
            continue
        if marker == _JPEG_SCAN:
            return content.rfind(_JPEG_END, at) != -1
        at += 2 + int.from_bytes(content[at + 2 : at + 4], "big")
    return False
