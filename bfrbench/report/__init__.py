"""Runs to pictures: one static page to look at them, and the figure of a paper; nothing is measured here."""
