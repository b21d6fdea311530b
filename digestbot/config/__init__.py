"""
Find, read and check config.yaml; the result is a frozen `Config`.

pydantic is used in this package only, and only for a config with mistakes. Begin at `load_config`.
"""

from digestbot.config.load import find_config, load_config, locator
from digestbot.config.settings import Config, DigestConfig, find_digest

__all__ = ["Config", "DigestConfig", "find_config", "find_digest", "load_config", "locator"]
