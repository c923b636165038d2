import json

import pytest

from pointsman.cli.evaluation_figures import Bounds, falls_short, summarise
from pointsman.domain.verdict import ModelHop
from tests.fakes.evaluation import LABELS, evaluation, verdict

FOUND = summarise(evaluation())


def test_the_whole_set_is_summed_up() -> None:
    names = ("prompts", "accuracy", "accuracy_lenient", "accept_confidence", "accepted_share", "accepted_accuracy")

    assert {name: FOUND[name] for name in names} == {
        "prompts": 5, "accuracy": 0.6, "accuracy_lenient": 0.8, "accept_confidence": 0.8, "accepted_share": 0.6,
        "accepted_accuracy": 1.0,
    }  # fmt: skip


def test_intervals_stand_beside_shares() -> None:
    assert FOUND["accuracy_interval"] == [0.2307, 0.8824]


def test_macro_f1_and_the_worst_f1_are_those_of_the_categories() -> None:
    # coding 2·1/3, quick 2·1/4, vision 1, review 0
    assert FOUND["macro_f1"] == pytest.approx((2 / 3 + 1 / 2 + 1 + 0) / 4, abs=1e-4)
    assert FOUND["worst_f1"] == 0.0


def test_each_category_says_how_much_of_it_was_found_and_what_was_wrongly_taken_for_it() -> None:
    quick = next(row for row in FOUND["categories"] if row["category"] == "quick")

    assert (quick["prompts"], quick["recall"], quick["precision"], quick["f1"]) == (1, 1.0, 0.3333, 0.5)


def test_a_category_that_was_never_ruled_has_no_precision() -> None:
    review = next(row for row in FOUND["categories"] if row["category"] == "review")

    assert review["precision"] is None


def test_languages_come_by_their_size_with_those_unsaid_among_them() -> None:
    assert [(row["lang"], row["prompts"], row["accuracy"]) for row in FOUND["languages"]] == [
        ("en", 3, 0.6667), ("", 1, 1.0), ("ko", 1, 0.0),
    ]  # fmt: skip


def test_texts_are_judged_apart_from_what_a_rule_decided() -> None:
    assert (FOUND["without_image"]["prompts"], FOUND["without_image"]["accuracy"]) == (4, 0.5)


def test_times_are_milliseconds() -> None:
    assert (FOUND["p50_ms"], FOUND["p99_ms"]) == (3.0, 5.0)


def test_the_surest_mistakes_come_first_and_by_id_alone() -> None:
    assert FOUND["mistakes"] == [{"id": "line 4", "label": "review", "ruled": "quick", "confidence": 0.7}]
    assert "as you like it" not in json.dumps(FOUND)


def test_without_a_model_nobody_is_asked_and_nothing_turns() -> None:
    assert (FOUND["hop_share"], FOUND["hop"], FOUND["flips"]) == (0.0, {"switched_off": 5}, None)


def test_what_went_to_the_model_and_what_turned_with_the_order_is_counted() -> None:
    hops = (ModelHop.ANSWERED, ModelHop.ANSWERED, ModelHop.LATE, ModelHop.CONFIDENT, ModelHop.NOT_NEEDED)
    turned = {0: verdict("review", 0.6), 1: verdict("quick", 0.6)}

    found = summarise(evaluation(hops, turned=turned))

    assert found["hop_share"] == 0.6
    assert found["hop"] == {"answered": 2, "late": 1, "confident": 1, "not_needed": 1}
    assert (found["flips"]["share"], found["flips"]["asked_twice"]) == (0.5, 2)


def test_nobody_answering_twice_is_no_share_of_flips() -> None:
    assert summarise(evaluation((ModelHop.LATE,) * len(LABELS), turned={}))["flips"] is None


@pytest.mark.parametrize(
    "bounds, sentence",
    [
        (Bounds(min_accuracy=0.61), "accuracy is 0.6, wanted at least 0.61"),
        (Bounds(min_macro_f1=0.9), "macro_f1 is 0.5417, wanted at least 0.9"),
        (Bounds(min_worst_f1=0.1), "worst_f1 is 0.0, wanted at least 0.1"),
        (Bounds(min_accepted_share=0.7), "accepted_share is 0.6, wanted at least 0.7"),
        (Bounds(max_ece=0.1), f"ece is {FOUND['ece']}, wanted at most 0.1"),
        (Bounds(max_p99_ms=4), "p99_ms is 5.0, wanted at most 4"),
    ],
    ids=lambda each: each.split()[0] if isinstance(each, str) else "",
)
def test_a_bound_that_does_not_hold_is_a_sentence(bounds: Bounds, sentence: str) -> None:
    assert falls_short(FOUND, bounds) == [sentence]


def test_a_figure_that_nobody_knows_holds_no_bound() -> None:
    found = FOUND | {"accepted_accuracy": None}

    assert falls_short(found, Bounds(min_accepted_accuracy=0.5)) == [
        "accepted_accuracy is unknown, wanted at least 0.5"
    ]


def test_bounds_that_are_just_reached_hold() -> None:
    bounds = Bounds(min_accuracy=0.6, min_accepted_accuracy=1.0, max_p99_ms=5.0)

    assert falls_short(FOUND, bounds) == []


def test_no_bound_is_no_complaint() -> None:
    assert falls_short(FOUND, Bounds()) == []
