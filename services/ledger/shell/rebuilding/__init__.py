"""The journal once more from the topics: compared, swapped in, supposed, checked on a schedule."""
