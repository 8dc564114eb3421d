"""Half the width: far fewer than half the numbers."""

width = 32
