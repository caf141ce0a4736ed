"""`python -m learning`: the command line."""

from learning.cli import main

main()
