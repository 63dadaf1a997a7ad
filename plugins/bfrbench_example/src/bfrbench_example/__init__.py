"""A stranger's plugin for bfrbench: a median filter."""
