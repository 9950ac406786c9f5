"""The words, as frozen dataclasses without behaviour."""
