"""A contract-true sync.so API on this machine. It makes playable videos, and moves no lips."""

from sync_async.sandbox.faults import Fault, Faults
from sync_async.sandbox.server import AsyncSandbox, PortInUseError, serve
from sync_async.sandbox.settings import SandboxSettings
from sync_async.sandbox.thread import Sandbox

__all__ = ["AsyncSandbox", "Fault", "Faults", "PortInUseError", "Sandbox", "SandboxSettings", "serve"]
