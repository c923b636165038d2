"""`pointsman` and `python -m pointsman`."""

import sys


def main() -> None:
    """Run the command line, or say how to get what it needs: the base install has the stubs alone."""
    try:
        from pointsman.cli.commands import main as run  # noqa: PLC0415 - the base install does not have what it needs

        run()
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing in {"", "pointsman"}:
            raise
        sys.exit(f"pointsman: {missing} is not installed; get the command line with: pip install 'pointsman[serve]'")


if __name__ == "__main__":
    main()
