"""One folder for each API, all behind one protocol (`base.Provider`).

An adapter translates: a `Call` into the provider's request, its reply into a `Completion`, whatever goes wrong into a
`ProviderError`. It never retries, never waits for quota and keeps no deadline, because only the pipeline can account
for a second attempt. Only this package imports a provider's SDK, and each only for a configured provider of its kind.
"""
