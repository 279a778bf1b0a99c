"""The worker process: command line, construction, message loop, heartbeat, actors."""
