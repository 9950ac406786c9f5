"""Pure planning: a Cluster and recipes become one NodePlan per node."""
