from pointsman.__main__ import GRPC_EXPERIMENTS, poll_where_events_are_awaited


def test_the_commands_have_grpc_poll_where_its_events_are_awaited() -> None:
    environ: dict[str, str] = {}

    poll_where_events_are_awaited(environ)

    assert environ == {GRPC_EXPERIMENTS: "-event_engine_client,-event_engine_listener"}


def test_experiments_that_were_chosen_before_stand() -> None:
    environ = {GRPC_EXPERIMENTS: "fuse_filters"}

    poll_where_events_are_awaited(environ)

    assert environ == {GRPC_EXPERIMENTS: "fuse_filters"}
