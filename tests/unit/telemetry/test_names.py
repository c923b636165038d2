import importlib
import pkgutil
from collections.abc import Iterator

import opentelemetry.semconv._incubating.attributes as drafts
import opentelemetry.semconv._incubating.metrics as draft_metrics
import opentelemetry.semconv.attributes as stable
import pytest

from pointsman.telemetry import names

OURS = "pointsman."
EVENTS = {name for key, name in vars(names).items() if key.startswith("EVENT_")}
SPANS = {name for key, name in vars(names).items() if key.startswith("SPAN_")}
OPERATIONS = {name for key, name in vars(names).items() if key.startswith("OPERATION_")}
LABELS = {name for key, name in vars(names).items() if key.startswith("LABEL_")}
ALL = {key: name for key, name in vars(names).items() if key.isupper() and isinstance(name, str) and key != "TRACER"}
OWN_WORDS = EVENTS | SPANS | OPERATIONS | LABELS
BORROWED = sorted({name for name in ALL.values() if not name.startswith(OURS)} - OWN_WORDS)


def conventions() -> Iterator[str]:
    for package in (stable, drafts, draft_metrics):
        for module in pkgutil.iter_modules(package.__path__):
            yield from (
                value
                for value in vars(importlib.import_module(f"{package.__name__}.{module.name}")).values()
                if isinstance(value, str)
            )


def test_every_name_that_is_not_ours_is_one_of_the_installed_conventions() -> None:
    assert sorted(set(BORROWED) - set(conventions())) == []
    assert {"rpc.system.name", "rpc.server.call.duration"} <= set(BORROWED)


def test_no_two_names_are_the_same() -> None:
    # A metric may be named as an attribute is: they never stand side by side.
    metrics = [name for key, name in ALL.items() if key.startswith("METRIC_")]
    others = [name for key, name in ALL.items() if not key.startswith("METRIC_")]

    assert len(set(metrics)) == len(metrics)
    assert len(set(others)) == len(others)


@pytest.mark.parametrize("event", sorted(EVENTS))
def test_an_event_is_a_noun_and_a_verb(event: str) -> None:
    noun, verb = event.split(".")

    assert noun.replace("_", "").isalpha()
    assert verb.isalpha()


@pytest.mark.parametrize("label", sorted(LABELS))
def test_a_label_of_ours_is_a_word_of_the_log(label: str) -> None:
    assert label.replace("_", "").isalpha()


@pytest.mark.parametrize("span", sorted(SPANS))
def test_a_span_of_ours_carries_our_prefix(span: str) -> None:
    assert span.startswith(OURS)
