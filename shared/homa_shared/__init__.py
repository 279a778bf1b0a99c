"""What producers and workers share: vocabulary, store, settings, prices."""
