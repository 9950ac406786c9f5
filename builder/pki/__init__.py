"""Keys and certificates; touches no disk, takes the time as an argument."""
