"""What this site demands: its values, its file, and how the two are merged. Knows no pytest."""
