"""Where the gateway listens unless something else is said."""

PORT = 8088
#: Of `homa mcp --http`.
MCP_PORT = 8089
