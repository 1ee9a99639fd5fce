"""The version, kept here so that reading it costs no metadata look-up."""

__version__ = "0.1.0"
