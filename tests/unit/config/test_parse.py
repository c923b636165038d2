"""From a table to a tree of dataclasses, by type hints alone."""

import math
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import pytest

from pointsman.config.parse import parse
from pointsman.config.settings import Range
from pointsman.domain.errors import SettingsError


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    size: Annotated[int, Range(1, 10)] = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    name: str
    flag: bool = False
    count: int = 0
    share: Annotated[float, Range(0.0, 1.0)] = 0.5
    mode: Literal["one", "two"] = "one"
    bound: Annotated[int, Range(1, 10)] | None = None
    names: tuple[str, ...] = ()
    leaf: Leaf = field(default_factory=Leaf)
    leaves: dict[str, Leaf] = field(default_factory=dict)


def test_a_whole_tree_is_read() -> None:
    table = {
        "name": "n",
        "flag": True,
        "count": 7,
        "share": 1,
        "mode": "two",
        "bound": 10,
        "names": ["a", "b"],
        "leaf": {"size": 1},
        "leaves": {"x/y": {"size": 2}, "z": {}},
    }

    assert parse(Tree, table) == Tree(
        name="n",
        flag=True,
        count=7,
        share=1.0,
        mode="two",
        bound=10,
        names=("a", "b"),
        leaf=Leaf(size=1),
        leaves={"x/y": Leaf(size=2), "z": Leaf()},
    )


def test_what_is_not_said_has_its_default() -> None:
    assert parse(Tree, {"name": "n"}) == Tree(name="n")


def test_a_number_without_a_point_is_a_number_all_the_same() -> None:
    assert isinstance(parse(Tree, {"name": "n", "share": 1}).share, float)


@pytest.mark.parametrize(
    "key, value, path, says",
    [
        pytest.param("name", 3, "name", "name = 3: must be text in quotes", id="text-is-a-number"),
        pytest.param("name", True, "name", "must be text in quotes", id="text-is-a-truth"),
        pytest.param("flag", "true", "flag", "flag = 'true': must be true or false", id="truth-is-text"),
        pytest.param("flag", 1, "flag", "must be true or false", id="truth-is-a-number"),
        pytest.param("count", 1.0, "count", "must be a whole number", id="whole-is-a-fraction"),
        pytest.param("count", True, "count", "must be a whole number", id="whole-is-a-truth"),
        pytest.param("count", "1", "count", "must be a whole number", id="whole-is-text"),
        pytest.param("share", "1", "share", "must be a number", id="number-is-text"),
        pytest.param("share", False, "share", "must be a number", id="number-is-a-truth"),
        pytest.param("share", math.nan, "share", "must be a finite number", id="not-a-number"),
        pytest.param("share", math.inf, "share", "must be a finite number", id="infinite"),
        pytest.param("share", -math.inf, "share", "must be a finite number", id="minus-infinite"),
        pytest.param("share", 10**400, "share", "must be a finite number", id="larger-than-any-float"),
        pytest.param("share", 1.01, "share", "share = 1.01: must be from 0 to 1", id="above"),
        pytest.param("share", -0.01, "share", "must be from 0 to 1", id="below"),
        pytest.param("bound", 0, "bound", "bound = 0: must be from 1 to 10", id="optional-out-of-range"),
        pytest.param("bound", 10**400, "bound", "must be from 1 to 10", id="whole-and-huge"),
        pytest.param("mode", "three", "mode", "mode = 'three': must be one of 'one', 'two'", id="no-such-choice"),
        pytest.param("mode", ["one"], "mode", "must be one of", id="choice-is-a-list"),
        pytest.param("names", "a", "names", "names = 'a': must be a list", id="list-is-text"),
        pytest.param("names", ["a", 3], "names[1]", "names[1] = 3: must be text in quotes", id="list-of-others"),
        pytest.param("leaf", [], "leaf", "leaf = []: must be a table", id="table-is-a-list"),
        pytest.param("leaf", {"size": 11}, "leaf.size", "leaf.size = 11: must be from 1 to 10", id="in-a-table"),
        pytest.param("leaf", {"sice": 1}, "leaf.sice", "leaf.sice is not a setting; did you mean 'size'?", id="typo"),
        pytest.param("leaves", 3, "leaves", "leaves = 3: must be a table", id="tables-are-a-number"),
        pytest.param("leaves", {"a": 3}, "leaves.a", "leaves.a = 3: must be a table", id="a-named-table-is-a-number"),
        pytest.param("leaves", {"a/b": {"size": 0}}, 'leaves."a/b".size', 'leaves."a/b".size = 0', id="odd-name"),
        pytest.param("leaves", {"": {"size": 0}}, 'leaves."".size', 'leaves."".size = 0', id="empty-name"),
        pytest.param("zzz", 1, "zzz", "zzz is not a setting; known here: name, flag, count, share", id="unknown"),
        pytest.param("nmae", 1, "nmae", "nmae is not a setting; did you mean 'name'?", id="typo-at-the-top"),
    ],
)
def test_what_cannot_be_read_is_refused_by_its_path(key: str, value: Any, path: str, says: str) -> None:  # noqa: ANN401 - anything
    with pytest.raises(SettingsError) as caught:
        parse(Tree, {"name": "n", key: value})

    assert caught.value.metadata["path"] == path
    assert says in caught.value.message


def test_a_missing_key_is_named() -> None:
    with pytest.raises(SettingsError, match=r"^name is missing$") as caught:
        parse(Tree, {})

    assert caught.value.metadata == {"path": "name"}


def test_settings_that_are_no_table_are_refused() -> None:
    with pytest.raises(SettingsError, match=r"^settings = \[\]: must be a table$"):
        parse(Tree, [])
