"""Bridges to restorers that live elsewhere: finished folders, other programs, spandrel checkpoints, ONNX files."""
