"""The only network in: downloads, digests, the store, the lock."""
