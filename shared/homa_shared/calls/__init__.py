"""A call as it is kept and made: request, reply, failure, media, tools, tokens."""
