"""What a model that exists is worth as a teacher: held-out cross-entropy, calibration, size; and what a student took
over from its teachers."""
