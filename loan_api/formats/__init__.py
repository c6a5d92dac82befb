"""Codecs for applications and decisions in every format, without HTTP."""
