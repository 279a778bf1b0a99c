"""What a client does, as effects, and what performs them: threads or asyncio."""
