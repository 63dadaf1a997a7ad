"""Faces: detect, align, recognise, find landmarks and pose, cut out and paste back."""
