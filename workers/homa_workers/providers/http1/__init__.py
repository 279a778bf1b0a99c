"""A plain exchange over HTTP/1.1: one request and its whole reply, on connections that are used again."""
