"""Where the gateway listens unless something else is said."""

PORT = 8088
