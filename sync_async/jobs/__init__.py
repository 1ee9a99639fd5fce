"""Waiting for work that goes on at the server."""
