"""A folder with templates of the operator."""

from dataclasses import replace
from pathlib import Path

from digestbot.render import RenderContext, load_templates


def owned(folder: Path, context: RenderContext, name: str, text: str) -> RenderContext:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    return replace(context, templates=load_templates(folder))
