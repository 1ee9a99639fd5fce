"""The tests, which read as sentences about behaviour."""
