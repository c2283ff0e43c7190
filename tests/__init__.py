"""Tests of igvm, and what they share."""
