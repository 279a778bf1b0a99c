"""When schedules fire, and what of a request follows the tick: pure functions, known to clients and workers alike."""
