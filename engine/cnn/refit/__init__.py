"""Training the last layer of finished networks again, on their own features and synthetic ones."""
