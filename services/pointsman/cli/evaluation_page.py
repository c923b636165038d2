"""An evaluation as one page that needs nothing else: no script, no font, no network, and no prompt in it."""

from collections.abc import Sequence

from pointsman.cli import evaluation_plots as plots
from pointsman.cli.columns import Column
from pointsman.cli.evaluation_figures import Figures
from pointsman.cli.evaluation_table import NO_LANGUAGE, categories, languages, totals
from pointsman.cli.page import page as whole_page
from pointsman.cli.page import plot, table, tiles
from pointsman.cli.svg import element, escaped


def page(found: Figures, *, source: str, falls_short: Sequence[str]) -> str:
    """Return the page; `source` is the name of the file of prompts, `falls_short` what did not hold."""
    title = f"Classifier on {source}"
    about = f'{found["prompts"]:,} prompts, mode "{found["mode"]}", classifier {found["classifier_version"]}.'
    return whole_page(
        title,
        element("p", escaped(about)),
        _short(falls_short),
        _tiles(found),
        element("div", *_plots(found), class_="plots"),
        element("div", *_tables(found), class_="tables"),
    )


def _short(falls_short: Sequence[str]) -> str:
    if not falls_short:
        return ""
    lines = (element("li", escaped(sentence)) for sentence in falls_short)
    return element("section", element("h2", "Falls short"), element("ul", *lines), class_="short")


def _tiles(found: Figures) -> str:
    """Return the figures that most people look for, large."""
    accepted = found["accepted_accuracy"]
    of_accepted = "nothing" if accepted is None else f"of these {accepted:.1%} right"
    rows = [
        ("accuracy", f"{found['accuracy']:.1%}", _between(found["accuracy_interval"])),
        ("accuracy, lenient", f"{found['accuracy_lenient']:.1%}", _between(found["accuracy_lenient_interval"])),
        ("macro-F1", f"{found['macro_f1']:.3f}", f"worst category {found['worst_f1']:.3f}"),
        ("calibration error", f"{found['ece']:.3f}", f"Brier score {found['brier']:.3f}"),
        (f"accepted at {found['accept_confidence']:g}", f"{found['accepted_share']:.1%}", of_accepted),
        ("a verdict takes", f"{found['p50_ms']:.2g} ms", f"99 of 100 within {found['p99_ms']:.2g} ms"),
    ]
    if found["mode"] != "embedded":
        flips = found["flips"]
        turned = "nobody asked twice" if flips is None else f"{flips['share']:.1%} turn with the order"
        rows.append(("asked the small model", f"{found['hop_share']:.1%}", turned))
    return tiles(rows)


def _between(interval: Sequence[float]) -> str:
    low, high = interval
    return f"95 %: {low:.1%} to {high:.1%}"


def _plots(found: Figures) -> list[str]:
    rows = (
        (
            "As sure as it is right?",
            "On the dashed line, confidence is honest; below it, too high. Lines: 95 %.",
            plots.reliability,
        ),
        (
            "What accepting costs",
            "Left: only the surest verdicts are accepted. Right: all of them.",
            plots.risk_coverage,
        ),
        ("What was taken for what", "The stronger the colour, the more of that label.", plots.confusion),
        ("Found, by category", "Dot: the label itself. Ring: also what is acceptable. Line: 95 %.", plots.categories),
    )
    drawn = [plot(heading, caption, draw(found)) for heading, caption, draw in rows]
    by_language = plots.languages(found, unnamed=NO_LANGUAGE)
    return [*drawn, plot("Accuracy, by language", "Dots, rings and lines as before.", by_language)]


def _tables(found: Figures) -> list[str]:
    mistakes: list[Figures] = found["mistakes"]
    surest = (
        Column(heading="prompt", cells=tuple(row["id"] for row in mistakes)),
        Column(heading="labelled", cells=tuple(row["label"] for row in mistakes)),
        Column(heading="ruled", cells=tuple(row["ruled"] for row in mistakes)),
        Column(heading="confidence", cells=tuple(f"{row['confidence']:.3f}" for row in mistakes)),
    )
    rows = (
        ("All figures", totals(found)),
        ("Categories", categories(found)),
        ("Languages", languages(found)),
        *((("The surest mistakes", surest),) if mistakes else ()),
    )
    return [table(heading, columns) for heading, columns in rows]
