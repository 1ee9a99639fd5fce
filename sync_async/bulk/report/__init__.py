"""The report of a run as one page: what it has come to, why rows failed, money, how it went, and every row."""

from sync_async.bulk.report.writing import REPORT, write_report

__all__ = ["REPORT", "write_report"]
