"""
The one place where errors become words and exit codes.

The owner's mistakes leave with 2, the world's with 1, ours with 1 and a traceback in a file.
"""

import errno
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from digestbot.cli.app import App
from digestbot.errors import ConfigError, DigestbotError, InvalidValue, UsageError

INTERRUPTED = 130  # 128 + SIGINT, as shells have it


def run_reporting_errors(
    group: click.Command, args: Sequence[str] | None = None, app: App | None = None
) -> int:
    """
    The exit code of *group* called with *args*; everything that went wrong is on stderr.

    Args:
        args: Those of the process by default.
        app: Of one call only: brings a clock or an environment of its own.
    """
    try:
        outcome = group.main(
            args=None if args is None else list(args),
            prog_name="digestbot",
            standalone_mode=False,
            obj=app or App(),
        )
        sys.stdout.flush()
        return outcome if isinstance(outcome, int) else 0
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
    except Exception as error:  # the fence of the whole program
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            pipe_closed()
            click.echo("digestbot: no space left where this was to be written", err=True)
        else:
            click.echo(_bug(error), err=True)
        return 1


def pipe_closed() -> int:
    """The reader of our output left (``digestbot … | head``): no error, and nothing more to say."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _bug(error: Exception) -> str:
    """Where the traceback was written, in one line."""
    import tempfile
    import traceback

    text = "".join(traceback.format_exception(error))
    with tempfile.NamedTemporaryFile(
        "w", prefix="digestbot-", suffix=".log", delete=False, encoding="utf-8"
    ) as file:
        file.write(text)
    return (
        f"digestbot: a bug: {type(error).__name__}; nothing sent is lost. "
        f"Please report it with {Path(file.name)}"
    )
