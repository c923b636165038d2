from pointsman.classifier.memory import Memory


class Lengths(Memory[str, int]):
    """Lengths of words, and the words that were measured."""

    def __init__(self, *, size: int) -> None:
        self.measured: list[str] = []
        super().__init__(self._measure, size=size, worth=lambda word: len(word) < 5)

    def _measure(self, word: str) -> int:
        self.measured.append(word)
        return len(word)


def test_a_value_is_worked_out_once() -> None:
    lengths = Lengths(size=2)

    assert [lengths["one"], lengths["one"]] == [3, 3]
    assert lengths.measured == ["one"]


def test_no_more_values_are_remembered_than_the_size() -> None:
    lengths = Lengths(size=2)

    for word in ("one", "two", "six", "ten"):
        lengths[word]

    assert list(lengths) == ["six", "ten"]


def test_what_is_not_worth_it_is_answered_and_not_remembered() -> None:
    lengths = Lengths(size=2)

    assert lengths["eleven"] == 6
    assert not lengths
