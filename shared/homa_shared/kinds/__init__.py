"""Kinds of provider: the one home of what is known of each, and of what names of models tell.

profile.py         KindProfile, and the parts that it is made of
builtin/           the kinds that Homa brings, a file each
registry.py        kinds by name, those of other packages included
packages.py        how a package's entry point becomes a profile
reserve_policy.py  how tokens count against a provider's limits
features.py        what a job may need of a target
model_families.py  rules over the names of models
"""
