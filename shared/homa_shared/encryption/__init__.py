"""Encryption of payloads at rest: keys, the cipher, and the envelopes in which sealed payloads stand in the store."""
