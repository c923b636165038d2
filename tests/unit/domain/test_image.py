import pytest

from pointsman.domain.image import is_whole, mime_type_of

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20 + b"\0\0\0\0IEND\xaeB`\x82"
THUMBNAIL = b"\xff\xe1\x00\x08\xff\xd8\xff\xd9\x00\x00"
JPEG = b"\xff\xd8" + THUMBNAIL + b"\xff\xff\xda\x00\x04\x00\x00pixels\xff\xd9"
GIF = b"GIF89a" + b"\0" * 20 + b";"
WEBP = b"RIFF" + (12).to_bytes(4, "little") + b"WEBP" + b"VP8 data"


@pytest.mark.parametrize(
    "content, mime_type",
    [
        pytest.param(PNG, "image/png", id="png"),
        pytest.param(JPEG, "image/jpeg", id="jpeg"),
        pytest.param(GIF, "image/gif", id="gif 89a"),
        pytest.param(b"GIF87a" + GIF[6:], "image/gif", id="gif 87a"),
        pytest.param(WEBP, "image/webp", id="webp"),
        pytest.param(b"RIFF\0\0\0\0WAVE", None, id="a sound"),
        pytest.param(b"<html>", None, id="a page"),
        pytest.param(b"", None, id="nothing"),
    ],
)
def test_the_first_bytes_show_what_an_image_is(content: bytes, mime_type: str | None) -> None:
    assert mime_type_of(content) == mime_type


@pytest.mark.parametrize(
    "content, whole",
    [
        pytest.param(PNG, True, id="png"),
        pytest.param(PNG + b"more", True, id="png with something behind it"),
        pytest.param(PNG[:-1], False, id="png without its last byte"),
        pytest.param(JPEG, True, id="jpeg"),
        pytest.param(JPEG + b"\0\0", True, id="jpeg with padding"),
        pytest.param(JPEG[:-1], False, id="jpeg without its last byte"),
        pytest.param(JPEG[:12], False, id="jpeg cut behind its thumbnail"),
        pytest.param(b"\xff\xd8\xff", False, id="jpeg of three bytes"),
        pytest.param(GIF, True, id="gif"),
        pytest.param(GIF + b"\0\0", True, id="gif with padding"),
        pytest.param(GIF[:-1], False, id="gif without its last byte"),
        pytest.param(WEBP, True, id="webp"),
        pytest.param(WEBP[:-1], False, id="webp without its last byte"),
    ],
)
def test_an_image_is_whole_when_its_end_is_there(content: bytes, *, whole: bool) -> None:
    assert is_whole(content, mime_type_of(content) or "") is whole
