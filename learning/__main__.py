"""`ami-learning`, or `python -m learning`: the command line."""

from __future__ import annotations

from learning.loading import loading


def main() -> None:
    """Load the command line and run it."""
    with loading():
        from learning import cli
    cli.main()


if __name__ == "__main__":
    main()
