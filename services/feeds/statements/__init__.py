"""Statement files: the bytes of each format in, checked statements out. Nothing here does I/O."""
