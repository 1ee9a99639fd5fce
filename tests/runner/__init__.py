"""The private event loop, rule by rule."""
