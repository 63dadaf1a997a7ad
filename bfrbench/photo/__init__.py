"""From a photograph to a restored photograph: every face found, restored by any restorer, pasted back softly."""
