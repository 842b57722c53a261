"""Reports print what runs found: they read run folders only, never models or data."""
