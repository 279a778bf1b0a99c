"""Tools that workers run themselves: `tool` declares one, `Toolbox` runs the calls that a model makes of them."""

from __future__ import annotations

from homa_shared.calls.tools import Tool, tool
from homa_workers.tools.toolbox import Toolbox

__all__ = ["Tool", "Toolbox", "tool"]
