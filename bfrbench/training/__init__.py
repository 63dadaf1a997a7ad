"""Training: one honest loop, and what recipes are made of."""
