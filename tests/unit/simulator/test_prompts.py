import struct
import zlib
from collections import Counter

from pointsman.domain.category import CATEGORIES, VISION
from pointsman.simulator.prompts import SAMPLE_PROMPTS, sunrise_png
from pointsman.simulator.wording import is_korean


def test_there_are_at_least_twenty_prompts_of_all_categories_in_both_languages() -> None:
    by_kind = Counter((prompt.category, is_korean(prompt.text)) for prompt in SAMPLE_PROMPTS)

    assert len(SAMPLE_PROMPTS) >= 20
    assert set(by_kind) == {(category, korean) for category in CATEGORIES for korean in (True, False)}
    assert len({prompt.text for prompt in SAMPLE_PROMPTS}) == len(SAMPLE_PROMPTS)


def test_prompts_about_an_image_have_one_and_no_others_do() -> None:
    assert all((prompt.image is not None) == (prompt.category == VISION) for prompt in SAMPLE_PROMPTS)


def test_the_image_is_a_png_whose_chunks_and_pixels_are_whole() -> None:
    png = sunrise_png(20, 10)

    chunks, at = {}, 8
    while at < len(png):
        size, kind = struct.unpack(">I4s", png[at : at + 8])
        content = png[at + 8 : at + 8 + size]
        assert struct.unpack(">I", png[at + 8 + size : at + 12 + size])[0] == zlib.crc32(kind + content)
        chunks[kind], at = content, at + 12 + size

    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    assert list(chunks) == [b"IHDR", b"IDAT", b"IEND"]
    assert struct.unpack(">II", chunks[b"IHDR"][:8]) == (20, 10)
    assert len(zlib.decompress(chunks[b"IDAT"])) == 10 * (1 + 20 * 3)
