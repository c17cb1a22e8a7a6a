"""How a pull request is compared: the base brought up somewhere else, the head previewed on it."""
