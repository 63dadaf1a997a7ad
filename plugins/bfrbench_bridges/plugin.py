"""The plugin of the bridges: what it offers, as data."""
