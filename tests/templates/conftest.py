"""A namespace with a command line and a client; workers and a simulator where a test asks for them."""

from __future__ import annotations

from tests.commands_b.conftest import stand

__all__ = ["stand"]
