"""Plumbing every shell needs, without a word of business."""
