"""The client that fetches the official files from their publishers."""
