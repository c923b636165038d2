"""How a command ends that did not work out: expected, so told in plain lines and never as a traceback.

Failure                 exit code 1: what was asked for did not work out
└── Misuse              exit code 2: the command line itself is wrong
"""


class Failure(Exception):
    """Ends a command; the message has one to three lines: what was wrong, with the value, and what to do."""

    exit_code = 1


class Misuse(Failure):
    """An argument cannot be what it is."""

    exit_code = 2
