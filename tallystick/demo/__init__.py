"""`tallystick demo`: a simulated month through the real pipeline, proved against the simulator."""
