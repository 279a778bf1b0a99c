"""What Homa is about: records and their ids, targets, pools, limits, money, errors."""
