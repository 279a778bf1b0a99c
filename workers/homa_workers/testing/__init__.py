"""Workers for tests of applications: in a thread of this process, with answers from a script in place of providers.

`homa.testing` is what applications use; this is the half of it that stands on the workers.
"""
