"""What many trainings or many models say together: replications of a set, modified images, ways to learn from few."""
