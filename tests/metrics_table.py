"""Write deploy/METRICS.md, the table of all metrics: `python -m tests.metrics_table`. A test holds it."""

from pathlib import Path
from typing import Final

from pointsman.telemetry import instruments
from pointsman.telemetry.metrics import REGISTER, About
from pointsman.telemetry.page import prometheus_name

FILE: Final = Path(__file__).parents[1] / "deploy/METRICS.md"

HEAD: Final = """# Metrics

Every metric of Pointsman, as Prometheus knows it and as OTLP sends it; written by `python -m tests.metrics_table` from
`services/pointsman/telemetry/instruments.py`. Labels take values of ours alone: enumerations, names of the settings,
methods of the contract. Above 2,000 series of one metric, further ones are counted together as `_OTHER`.

| Prometheus | OTLP | kind | unit | labels | what |
| --- | --- | --- | --- | --- | --- |
"""


def row(about: About) -> str:
    """Return the line of one metric."""
    labels = ", ".join(f"`{label.replace('.', '_')}`" for label in about.labels) or "–"
    return (
        f"| `{prometheus_name(about)}` | `{about.name}` | {about.kind} | {about.unit or '–'} | {labels} "
        f"| {about.description} |\n"
    )


def written() -> str:
    """Return the text of the file."""
    named = (value for value in vars(instruments).values() if value in REGISTER.instruments)
    return HEAD + "".join(row(instrument.about) for instrument in named)


if __name__ == "__main__":
    FILE.write_text(written())
