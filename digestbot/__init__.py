"""digestbot: new scientific papers that match your filters, by email and in Slack."""

__version__ = "0.1.0"
__all__ = ["__version__"]
