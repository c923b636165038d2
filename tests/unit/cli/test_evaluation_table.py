import io

import pytest
from rich.console import Console

from pointsman.cli.evaluation_figures import summarise
from pointsman.cli.evaluation_table import plain, rows_of, show
from pointsman.domain.verdict import ModelHop
from tests.fakes.evaluation import evaluation, verdict

FOUND = summarise(evaluation())
HOPS = (ModelHop.ANSWERED, ModelHop.ANSWERED, ModelHop.LATE, ModelHop.CONFIDENT, ModelHop.NOT_NEEDED)


def test_a_pipe_gets_lines_that_say_what_each_part_is() -> None:
    lines = plain(FOUND)

    assert "accuracy\t0.600\t0.231 to 0.882" in lines
    assert "ruled\tcoding\t1 as coding, 1 as quick" in lines
    assert any(line.startswith("language\tnot said\tprompts 1\taccuracy 1.000") for line in lines)


@pytest.mark.parametrize("width", [40, 80, 160])
def test_a_terminal_gets_tables_that_fit(width: int) -> None:
    out = Console(file=io.StringIO(), force_terminal=True, width=width, color_system=None)

    show(out, FOUND)

    shown = out.file.getvalue()  # type: ignore[attr-defined]  # the StringIO from above
    assert "accuracy, lenient" in shown
    assert max(map(len, shown.splitlines())) <= max(width, 52)  # five categories across need as much


def test_what_the_model_was_asked_is_told_only_where_it_is() -> None:
    assert "went to the small model" not in [name for name, _, _ in rows_of(FOUND)]


def test_the_model_and_what_turns_with_the_order_are_told() -> None:
    rows = rows_of(summarise(evaluation(HOPS, turned={0: verdict("review", 0.6), 1: verdict("quick", 0.6)})))

    assert ("went to the small model", "60.0%", "") in rows
    assert ("small model", "answered 2 · late 1 · confident 1 · not needed 1", "") in rows
    assert ("turned with the order, of 2", "50.0%", "0.095 to 0.905") in rows
