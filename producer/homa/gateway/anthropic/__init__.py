"""Anthropic's Messages API, for any provider: requests and replies are translated from and to Chat Completions."""
