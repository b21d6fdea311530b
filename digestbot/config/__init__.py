"""
The owner's config.yaml: found, read, checked, frozen.

Begin at `load_config`. pydantic stays behind this door; what comes out are frozen values.
"""

from digestbot.config.load import find_config, load_config, locator
from digestbot.config.settings import Config, DigestConfig, find_digest

__all__ = ["Config", "DigestConfig", "find_config", "find_digest", "load_config", "locator"]
