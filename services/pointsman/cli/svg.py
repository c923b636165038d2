"""The few words of SVG that a picture needs, each as text that is valid XML whatever goes into it."""

from collections.abc import Sequence
from typing import Final
from xml.sax.saxutils import escape, quoteattr

Point = tuple[float, float]

_FIRST_PRINTABLE: Final = " "
_NO_XML: Final = frozenset("\ufffe\uffff")


def element(name: str, /, *inside: str, **attributes: float | str) -> str:
    """Return an element around `inside`, which is SVG already; `stroke_width` becomes stroke-width."""
    words = "".join(
        f" {key.rstrip('_').replace('_', '-')}={quoteattr(_written(value))}" for key, value in attributes.items()
    )
    return f"<{name}{words}>{''.join(inside)}</{name}>" if inside else f"<{name}{words}/>"


def text(at: Point, said: str, **attributes: float | str) -> str:
    """Return a line of text that begins, or as `text_anchor` says ends, at a point."""
    return element("text", escaped(said), x=at[0], y=at[1], **attributes)


def rectangle(at: Point, width: float, height: float, **attributes: float | str) -> str:
    """Return a rectangle with its upper left corner at a point."""
    return element("rect", x=at[0], y=at[1], width=width, height=height, **attributes)


def line(points: Sequence[Point], **attributes: float | str) -> str:
    """Return a line through the points."""
    return element("polyline", points=_through(points), **{"fill": "none", **attributes})


def area(points: Sequence[Point], **attributes: float | str) -> str:
    """Return the filled area that the points surround."""
    return element("polygon", points=_through(points), **attributes)


def picture(width: float, height: float, *inside: str, title: str, description: str, style: str = "") -> str:
    """Return a picture to stand in a page, with words for those who cannot see it."""
    head = [element("title", escaped(title)), element("desc", escaped(description))]
    if style:
        head.append(element("style", escaped(style)))
    return element(
        "svg",
        *(f"\n{part}" for part in (*head, *inside)),
        "\n",
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {_written(width)} {_written(height)}",
        role="img",
    )


def document(width: float, height: float, *inside: str, title: str, description: str, style: str) -> str:
    """Return a picture that is a file of its own."""
    drawn = picture(width, height, *inside, title=title, description=description, style=style)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{drawn}\n'


def escaped(said: str) -> str:
    """Return the text as XML takes it: its own signs escaped, and what it has no place for left out."""
    return escape("".join(char for char in said if _is_allowed(char)))


def _is_allowed(char: str) -> bool:
    is_control = char < _FIRST_PRINTABLE or "\x7f" <= char <= "\x9f"
    return not is_control and char not in _NO_XML and not "\ud800" <= char <= "\udfff"


def _through(points: Sequence[Point]) -> str:
    return " ".join(f"{_written(x)},{_written(y)}" for x, y in points)


def _written(value: float | str) -> str:
    """Return a number with at most two decimals, or the text without what XML has no place for."""
    if isinstance(value, str):
        return "".join(char for char in value if _is_allowed(char))
    return f"{value:.2f}".rstrip("0").rstrip(".")
