"""A value that may be used and must not be shown."""

from typing import Final, Protocol, final

_MASK: Final = "***"


class Key(Protocol):
    """A key as its user sees it; it may be another one at the next call. True where there is one."""

    def reveal(self) -> str:
        """Return the value. The caller puts it into the request that needs it and nowhere else."""

    def __bool__(self) -> bool: ...


@final
class Secret:
    """A secret string. It prints as a mask; `reveal` is the one way in, so that its uses can be searched for."""

    __slots__ = ("_value",)

    def __init__(self, value: str = "") -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the value. The caller puts it into the request that needs it and nowhere else."""
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return f"Secret({_MASK if self._value else ''})"

    def __str__(self) -> str:
        return _MASK if self._value else ""

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    def __reduce__(self) -> str:
        """Refuse to be copied into a file or another process."""
        raise TypeError("A secret is not serialised; read it again where it is needed.")


def fits_header(key: Key) -> bool:
    """Return whether an HTTP header can carry the key."""
    value = key.reveal()
    return value.isascii() and all(character.isprintable() and not character.isspace() for character in value)
