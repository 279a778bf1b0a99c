"""OpenAI's API: Chat Completions, Embeddings, Models."""
