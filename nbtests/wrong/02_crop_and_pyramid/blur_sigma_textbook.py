"""Half a pixel for each pixel of the block: still lets stripes of 5 pixels through."""

sigma = 1.0
