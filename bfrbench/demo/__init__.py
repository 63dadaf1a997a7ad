"""The demonstration: the main job done with what ships, and everything that comes out of it in one folder."""
