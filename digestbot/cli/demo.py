"""``digestbot demo``: build a digest of bundled papers in two seconds."""

from pathlib import Path

import click

from digestbot.cli.app import App, program
from digestbot.demo import run_demo
from digestbot.errors import UsageError

NEXT = """

Open the HTML file in a browser. Next, set up a digest for your own field:
  {digestbot} init                writes config.yaml from three questions
  {digestbot} check               validates it
  {digestbot} preview my-field    shows the next edition without sending it"""


@click.command("demo", short_help="Build a sample digest of real papers, offline.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("demo-out"),
    show_default=True,
    help="Output folder.",
)
@click.pass_obj
def command(app: App, out: Path) -> int:
    """Build a digest offline from a bundled page of real arXiv papers."""
    try:
        result = run_demo(out, app.clock())
    except OSError as error:
        raise UsageError(
            f"cannot write to {out}: {error.strerror}; choose another folder with --out"
        ) from error
    files = {
        "html": result.html,
        "text": result.text,
        "slack": result.slack,
        "json": result.json,
        "e-mail": result.eml,
        "config": result.config,
    }

    def as_text() -> str:
        lines = [f"{result.papers} of {result.fetched} real papers matched the filter.", ""]
        labels = ("HTML", "text", "Slack", "JSON", "email", "config")
        lines += [f"  {label:<8}{path}" for label, path in zip(labels, files.values(), strict=True)]
        return "\n".join(lines) + NEXT.format(digestbot=program())

    facts = {"fetched": result.fetched, "papers": result.papers}
    app.show({**facts, **{name: str(path) for name, path in files.items()}}, as_text)
    return 0
