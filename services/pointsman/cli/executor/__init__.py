"""The Executor as the command line sees it: its calls, and its messages as plain values.

The only part of the command line that knows the stubs.
"""

from pointsman.cli.executor.activity import ActivityCounts, ActivityNews, HopLatency
from pointsman.cli.executor.calls import ExecutorCalls, reaching
from pointsman.cli.executor.listing import CandidateLine, Listing, Window
from pointsman.cli.executor.message import as_json
from pointsman.cli.executor.report import GROUPS, HopLine, ReportDetails, ReportLine, ReportSums

__all__ = [
    "GROUPS",
    "ActivityCounts",
    "ActivityNews",
    "CandidateLine",
    "ExecutorCalls",
    "HopLatency",
    "HopLine",
    "Listing",
    "ReportDetails",
    "ReportLine",
    "ReportSums",
    "Window",
    "as_json",
    "reaching",
]
