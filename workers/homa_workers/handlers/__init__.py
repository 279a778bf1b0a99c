"""Event handlers: functions that a worker calls for events of the fleet (`homa worker --handlers MODULE`)."""
