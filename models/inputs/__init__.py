"""Kinds of input, one file each: how a raw photo or recording becomes a tensor whose cells keep their
place and units."""
