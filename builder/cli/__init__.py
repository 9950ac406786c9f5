"""The commands: one module a verb; click and rich live only here."""
