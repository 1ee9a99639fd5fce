"""The sandbox's own clip, picture and voice, and the script that makes them."""
