"""Commands of `evident`, one file each."""
