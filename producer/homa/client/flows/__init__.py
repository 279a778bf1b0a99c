"""Runs of flows: submitted, followed, and their answers read in the order of the inputs."""
