"""The data classes of the API, a module for each of its nouns."""
