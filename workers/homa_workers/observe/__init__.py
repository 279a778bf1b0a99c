"""What is seen of a worker from outside: structured logs, Sentry."""
