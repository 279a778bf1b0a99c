"""Kinds of provider that Homa brings, a module each: its name is the kind, its PROFILE all that is known of it."""
