"""What a worker knows of the fleet, kept at hand: prices, plans, prefixes, estimates, vectors."""
