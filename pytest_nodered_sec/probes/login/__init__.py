"""Known passwords, and what one session of the site's own account shows."""
