"""The reconciler: lays both halves of the stick side by side and says where they do not match."""
