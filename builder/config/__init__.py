"""The door: everything that users write is read and checked here."""
