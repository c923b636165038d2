from pathlib import Path

import pytest

from pointsman.cli.certs import certs


def test_the_section_that_is_printed_takes_the_place_of_the_one_in_the_settings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    certs(tmp_path, hosts=(), days=2, as_json=False)

    before, _, after = capsys.readouterr().out.partition("\n[tls]\n")
    assert before.rstrip().endswith("in the place of the [tls] that is there:")
    assert f'certificate = "{tmp_path / "service.pem"}"' in after
