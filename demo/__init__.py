"""Builds examples/three-node on any machine: `make demo`."""
