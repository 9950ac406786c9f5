"""A NodePlan and overlays become the bytes of each host file."""
