"""Kinds of provider: what each one is known to offer, and which there are."""
