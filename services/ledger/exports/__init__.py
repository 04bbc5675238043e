"""The journal in forms that other tools read, each with what proves that it is whole."""
