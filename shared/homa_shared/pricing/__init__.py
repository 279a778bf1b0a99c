"""Prices: genai-prices' list, a model's rate card, and what a call costs by them."""
