"""archiver: a copy of the log outside the broker, and the way back from it."""
