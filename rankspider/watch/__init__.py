"""The watch list: anchors that are asked again and again, each at its turns."""
