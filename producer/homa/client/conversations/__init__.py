"""Conversations: turns that are kept with their answers, and asked on behind.

A turn's request is made of the turns before it when it is submitted (rendering.py); the store accepts it with its job
only where the conversation still has those turns (scripts/begin_turn.lua).
"""
