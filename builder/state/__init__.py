"""The state folder on disk: modes, keys, allocations."""
