"""The plugin of GPEN: what it offers, as data."""
