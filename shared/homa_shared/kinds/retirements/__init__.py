"""Tables of the models that providers have ended, or have announced to end, a module for each provider."""
