"""OpenAI's Chat Completions and Responses APIs, and servers that speak them."""
