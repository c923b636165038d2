import importlib
import pkgutil
from collections.abc import Iterator

import opentelemetry.semconv._incubating.attributes as drafts
import opentelemetry.semconv.attributes as stable
import pytest

from pointsman.telemetry import names

OURS = "pointsman."
EVENTS = {name for key, name in vars(names).items() if key.startswith("EVENT_")}
SPANS = {name for key, name in vars(names).items() if key.startswith("SPAN_")}
OPERATIONS = {name for key, name in vars(names).items() if key.startswith("OPERATION_")}
ALL = {key: name for key, name in vars(names).items() if key.isupper() and isinstance(name, str) and key != "TRACER"}
BORROWED = sorted(set(ALL.values()) - EVENTS - SPANS - OPERATIONS - {n for n in ALL.values() if n.startswith(OURS)})


def conventions() -> Iterator[str]:
    for package in (stable, drafts):
        for module in pkgutil.iter_modules(package.__path__):
            yield from (
                value
                for value in vars(importlib.import_module(f"{package.__name__}.{module.name}")).values()
                if isinstance(value, str)
            )


def test_every_name_that_is_not_ours_is_one_of_the_installed_conventions() -> None:
    assert sorted(set(BORROWED) - set(conventions())) == []
    assert "rpc.system.name" in BORROWED


def test_no_two_names_are_the_same() -> None:
    assert len(set(ALL.values())) == len(ALL)


@pytest.mark.parametrize("event", sorted(EVENTS))
def test_an_event_is_a_noun_and_a_verb(event: str) -> None:
    noun, verb = event.split(".")

    assert noun.replace("_", "").isalpha()
    assert verb.isalpha()


@pytest.mark.parametrize("span", sorted(SPANS))
def test_a_span_of_ours_carries_our_prefix(span: str) -> None:
    assert span.startswith(OURS)
