"""Mistral's API: OpenAI's Chat Completions with an accent, and the same accent simulated."""
