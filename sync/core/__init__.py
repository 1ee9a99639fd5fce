"""Files, options and the base error under the vendor's import name."""

from sync.core.api_error import ApiError
from sync.core.file import File
from sync.core.request_options import RequestOptions

__all__ = ["ApiError", "File", "RequestOptions"]
