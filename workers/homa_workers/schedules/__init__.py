"""What workers do for schedules: fire ticks, sum up runs, move backfills on."""
