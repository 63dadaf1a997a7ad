"""Images: reading, writing, quantising, resizing."""
