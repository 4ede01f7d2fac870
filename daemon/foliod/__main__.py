"""`foliod` and `python -m foliod`."""

from foliod.start.cli import app


def main() -> None:
    """Run the command line."""
    app(prog_name="foliod")


if __name__ == "__main__":
    main()
