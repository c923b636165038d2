import json
from pathlib import Path

import pytest

from pointsman.cli.failure import Misuse
from pointsman.cli.rehearsal_record import read_mix, read_record
from pointsman.cli.rehearsal_traffic import Coming

POOLS = ("quick", "coding", "vision")
ROW = {"at": 0, "category": "quick", "input_tokens": 120, "output_tokens": 60}


def record(folder: Path, *rows: object) -> Path:
    file = folder / "traffic.jsonl"
    lines = (row if isinstance(row, str) else json.dumps(row) for row in rows)
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def test_a_record_is_read_with_its_sizes_in_order_of_time(tmp_path: Path) -> None:
    late = ROW | {"at": 50.5, "category": "vision", "image": True, "input_tokens": 1_500, "max_output_tokens": 300}
    file = record(tmp_path, late, "", ROW | {"at": 10})

    read = read_record(file, POOLS, days=None)

    assert read.start is None
    assert read.traffic.days == 1
    (first_at, first), (second_at, second) = read.traffic.rows
    assert (first_at, first.category, first.input_tokens, first.output_tokens) == (10, "quick", 120, 60)
    assert (second_at, second.request.prompt.has_image, second.request.options.max_output_tokens) == (50.5, True, 300)


def test_instants_count_from_the_midnight_before_the_first(tmp_path: Path) -> None:
    file = record(tmp_path, ROW | {"at": "2026-11-24T01:00:00+09:00"}, ROW | {"at": "2026-11-24T01:00:00Z"})

    read = read_record(file, POOLS, days=None)

    assert read.start is not None
    assert read.start.isoformat() == "2026-11-23T00:00:00+00:00"
    assert [at for at, _ in read.traffic.rows] == [16 * 3_600, 25 * 3_600]
    assert read.traffic.days == 2


def test_a_record_begins_again_until_the_days_are_full(tmp_path: Path) -> None:
    traffic = read_record(record(tmp_path, ROW | {"at": 5}, ROW | {"at": 86_000}), POOLS, days=3).traffic

    def instants(coming: list[Coming]) -> list[float]:
        return [at for at, _ in coming]

    assert instants([*traffic.between(0, 3 * 86_400)]) == [5, 86_000, 86_405, 172_400, 172_805, 258_800]
    assert instants([*traffic.between(86_400, 172_400)]) == [86_405]


@pytest.mark.parametrize(
    "row, complaint",
    [
        pytest.param("{", "this is no JSON (", id="not JSON"),
        pytest.param("[1]", "this is no JSON object", id="no object"),
        pytest.param(
            {"at": 0, "category": "quick", "input_tokens": 1}, '"output_tokens" is missing', id="a key missing"
        ),
        pytest.param(ROW | {"tokens": 1}, '"tokens" is not known here', id="an unknown key"),
        pytest.param(
            ROW | {"category": "poems"}, "\"category\" is 'poems'; there are pools for quick", id="no such pool"
        ),
        pytest.param(ROW | {"input_tokens": 0}, '"input_tokens" is 0', id="no input"),
        pytest.param(ROW | {"input_tokens": True}, '"input_tokens" is True', id="a boolean for a number"),
        pytest.param(ROW | {"output_tokens": -1}, '"output_tokens" is -1', id="less than nothing"),
        pytest.param(ROW | {"output_tokens": 1.5}, '"output_tokens" is 1.5', id="half a token"),
        pytest.param(ROW | {"image": "yes"}, "\"image\" is 'yes'; it must be true or false", id="no boolean"),
        pytest.param(ROW | {"max_output_tokens": "9"}, "\"max_output_tokens\" is '9'", id="text for a number"),
        pytest.param(ROW | {"at": "yesterday"}, "\"at\" is 'yesterday'; write an instant", id="no instant"),
        pytest.param(ROW | {"at": -1}, '"at" is -1', id="before the start"),
        pytest.param(
            '{"at": NaN, "category": "quick", "input_tokens": 1, "output_tokens": 1}', '"at" is nan', id="NaN"
        ),
        pytest.param(ROW | {"at": "2026-11-24T01:00:00Z"}, "seconds in others; choose one", id="both kinds of time"),
        pytest.param(ROW | {"category": "\x1b[2J"}, "\"category\" is '\\x1b[2J'", id="a hostile terminal"),
    ],
)
def test_a_wrong_line_is_named_with_what_is_wrong(tmp_path: Path, row: object, complaint: str) -> None:
    file = record(tmp_path, ROW, row)

    with pytest.raises(Misuse) as raised:
        read_record(file, POOLS, days=None)

    assert f"{file}, line 2: " in str(raised.value)
    assert complaint in str(raised.value)
    assert "\x1b" not in str(raised.value)


@pytest.mark.parametrize(
    "content, complaint",
    [
        pytest.param(b"\n \n", "holds no request", id="empty"),
        pytest.param(b"\xff\xfe", "is no text in UTF-8", id="no text"),
    ],
)
def test_a_file_that_is_no_record_is_refused(tmp_path: Path, content: bytes, complaint: str) -> None:
    file = tmp_path / "traffic.jsonl"
    file.write_bytes(content)

    with pytest.raises(Misuse, match=complaint):
        read_record(file, POOLS, days=None)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misuse, match=r"cannot read .*nothing\.jsonl: No such file"):
        read_record(tmp_path / "nothing.jsonl", POOLS, days=None)


def test_a_mix_is_read_as_shares() -> None:
    assert read_mix("quick=50, coding=30.5", POOLS) == {"quick": 50.0, "coding": 30.5}


def test_without_a_mix_the_pools_get_the_shares_of_an_office() -> None:
    assert list(read_mix("", POOLS)) == ["quick", "coding", "vision"]
    assert read_mix("", ("poems",)) == {"poems": 1.0}


@pytest.mark.parametrize(
    "text, complaint",
    [
        pytest.param("poems=1", "there is no pool 'poems'; there are: quick, coding, vision", id="no such pool"),
        pytest.param("quick", "'quick' is no share", id="no number"),
        pytest.param("quick=-1", "'quick=-1' is no share", id="negative"),
        pytest.param("quick=inf", "'quick=inf' is no share", id="without end"),
        pytest.param("quick=1,quick=2", "'quick=2' is no share", id="twice"),
        pytest.param("quick=0,coding=0", "all shares are 0", id="nothing at all"),
    ],
)
def test_a_mix_that_is_none_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(Misuse, match=complaint):
        read_mix(text, POOLS)
