"""What Homa is about: identifiers, records, money, pools, errors."""
