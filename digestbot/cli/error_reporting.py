"""
Turn exceptions into error messages and exit codes.

Usage and config errors exit with 2, external failures with 1, bugs with 1 and a traceback file.
"""

import errno
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from digestbot.cli.app import App
from digestbot.errors import ConfigError, DigestbotError, InvalidValue, UsageError
from digestbot.secret import masked

INTERRUPTED = 130  # 128 + SIGINT, the shells' convention


def run_reporting_errors(
    group: click.Command, args: Sequence[str] | None = None, app: App | None = None
) -> int:
    """
    Run *group* with *args*, report errors on stderr, and return the exit code.

    Args:
        group: The click group to run.
        args: Command-line arguments; those of the process by default.
        app: State of the invocation; lets tests set a clock or an environment.
    """
    try:
        result = group.main(
            args=None if args is None else list(args),
            prog_name="digestbot",
            standalone_mode=False,
            obj=app or App(),
        )
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except BrokenPipeError:
        return pipe_closed()
    except (click.exceptions.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return INTERRUPTED
    except click.ClickException as error:
        error.show()
        return 2
    except (ConfigError, UsageError, InvalidValue) as error:
        click.echo(str(error), err=True)
        return 2
    except DigestbotError as error:
        click.echo(f"digestbot: {error}", err=True)
        return 1
    except Exception as error:  # a bug, or a full disk
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            pipe_closed()
            click.echo(
                "digestbot: no space left on the device; free some space and run it again", err=True
            )
        else:
            click.echo(_bug(error), err=True)
        return 1


def pipe_closed() -> int:
    """Discard further output after the reader closed the pipe (``digestbot … | head``)."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _bug(error: Exception) -> str:
    """Write the traceback to a file; return one line that names it."""
    import tempfile
    import traceback

    text = masked("".join(traceback.format_exception(error)))
    with tempfile.NamedTemporaryFile(
        "w", prefix="digestbot-", suffix=".log", delete=False, encoding="utf-8"
    ) as file:
        file.write(text)
    return (
        f"digestbot: unexpected {type(error).__name__} (a bug); sent deliveries stay recorded. "
        f"Please report it with {Path(file.name)}"
    )
