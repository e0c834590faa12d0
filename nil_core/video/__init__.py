"""Everything about pictures: files, crops, sizes, masks, clips, and what lies between two frames."""
