"""Files that travel beside the API, never with its key."""
