"""What a worker writes to the store and must not lose: replies, streams, media."""
