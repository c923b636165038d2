import io

from pointsman.cli.held_log import HeldLog


def test_lines_wait_until_they_are_released_and_keep_their_order() -> None:
    sink = io.BytesIO()
    log = HeldLog(sink)

    log.write(b"first\n")
    log.flush()
    held = sink.getvalue()
    log.release()
    log.release()
    log.write(b"second\n")

    assert held == b""
    assert sink.getvalue() == b"first\nsecond\n"


def test_it_is_a_terminal_where_its_sink_is_one() -> None:
    class Terminal(io.BytesIO):
        def isatty(self) -> bool:
            return True

    assert HeldLog(Terminal()).isatty()
    assert not HeldLog(io.BytesIO()).isatty()
