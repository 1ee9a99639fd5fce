"""Bulk runs: thousands of paid jobs, none lost, none bought twice."""
