"""Train seeds in rounds: after each, only cells with an open comparison go on."""
