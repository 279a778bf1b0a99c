"""Settings: what a process is told (`model`), and the part of it that the whole fleet shares (`fleet`).

Importing pydantic-settings takes longer than the light client's whole import may, so that nothing is imported here:
`homa_shared.settings.model` has `Settings` and `load_settings`, `homa_shared.settings.fleet` has `Fleet`.
"""
