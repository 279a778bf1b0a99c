"""Batches that schedules have due: a process of their own reads their input and submits their lines."""
