"""What callers have spent of the day and the month under way, read back from the journal at the start."""

import structlog

from pointsman.domain.clock import Clock
from pointsman.domain.errors import JournalDown
from pointsman.executor.allowance import Allowances
from pointsman.executor.journal.journal import Journal
from pointsman.executor.journal.sums import Question, ReportBy
from pointsman.executor.purse import Term
from pointsman.telemetry import names


async def recall(allowances: Allowances, journal: Journal, *, clock: Clock) -> None:
    """Charge every caller that has a budget with what the journal knows.

    Where it cannot be read all begin anew, and the log says so.
    """
    for term in Term:
        purses = dict(allowances.purses(term))
        if not purses:
            continue
        question = Question(group_by=ReportBy.CALLER, since=term.begin(clock.now()))
        try:
            report = await journal.report(question)
        except JournalDown as error:
            structlog.get_logger().warning(names.EVENT_SPENT_UNKNOWN, term=term.value, why=error.message)
            continue
        for sums in report.groups:
            if purse := purses.get(sums.key):
                purse.spent += sums.cost_usd
