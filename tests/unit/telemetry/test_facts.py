"""Facts of a call are its own, the latest word on each counts, and a line says them with its own."""

from contextvars import copy_context

from pointsman.telemetry import facts


def test_a_later_fact_takes_the_place_of_an_earlier_one() -> None:
    def noted() -> dict[str, object]:
        facts.bind(category="quick", attempts=1)
        facts.bind(attempts=2)
        return dict(facts.known())

    assert copy_context().run(noted) == {"category": "quick", "attempts": 2}


def test_facts_do_not_leave_the_context_in_which_they_were_noted() -> None:
    copy_context().run(facts.bind, category="quick")

    assert "category" not in facts.known()


def test_a_call_begins_with_no_facts_and_leaves_none_to_the_next() -> None:
    def noted() -> tuple[dict[str, object], dict[str, object]]:
        facts.begin()
        facts.bind(category="quick")
        first = dict(facts.known())
        facts.begin()
        return first, dict(facts.known())

    assert copy_context().run(noted) == ({"category": "quick"}, {})


def test_what_a_line_says_itself_counts_more_than_what_is_known() -> None:
    def merged() -> dict[str, object]:
        facts.bind(category="quick", reason="")
        return dict(facts.merge(None, "info", {"event": "call.ended", "reason": "NO_ANSWER"}))

    assert copy_context().run(merged) == {"category": "quick", "reason": "NO_ANSWER", "event": "call.ended"}
