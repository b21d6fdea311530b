"""Entry point of ``python -m digestbot``."""

from digestbot.cli import main

main()
